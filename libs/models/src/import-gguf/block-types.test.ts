import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blockTypes } from './block-types.ts';

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../../tests/fixtures/gguf/blocks.json'), 'utf8'),
) as Record<string, { bytes: string; float32: string }>;

test.each([...blockTypes.values()].map((type) => [type.name, type] as const))(
  '%s blocks become the same bits as in Python',
  (name, type) => {
    const bytes = new Uint8Array(Buffer.from(golden[name]!.bytes, 'base64'));
    const values = type.dequantize(bytes);
    expect(Buffer.from(values.buffer).toString('base64')).toBe(golden[name]!.float32);
    const blocks = Buffer.from(golden[name]!.float32, 'base64').length / 4 / type.blockElements;
    expect(bytes.length).toBe(blocks * type.blockBytes);
  },
);
