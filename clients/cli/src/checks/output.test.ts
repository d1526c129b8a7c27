import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkOutput, writeOutput } from './output.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'emloc-output-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const directory = { kind: 'directory' } as const;

test('a directory that is not empty is refused, and replaced only when asked and ours', () => {
  const path = join(dir, 'out');
  mkdirSync(path);
  expect(checkOutput(path, directory).path).toBe(path);
  writeFileSync(join(path, 'thesis.tex'), '');
  expect(() => checkOutput(path, directory)).toThrow('is not empty');
  expect(() => checkOutput(path, { ...directory, overwrite: true })).toThrow('emloc did not write');
  writeFileSync(join(path, 'adapter_config.json'), '');
  expect(checkOutput(path, { ...directory, overwrite: true }).overwrite).toBe(true);
});

test('a file that exists is refused with field, value and mend', () => {
  const path = join(dir, 'grams.safetensors');
  writeFileSync(path, 'old');
  expect(() => checkOutput(path, { kind: 'file' })).toThrow(
    expect.objectContaining({
      reason: 'OUTPUT_EXISTS',
      field: '--output',
      value: path,
      mend: expect.stringContaining('--overwrite'),
    }),
  );
  expect(() => checkOutput(path, directory)).toThrow('is a file');
});

test('a place that cannot be written to is refused before any work, and the look leaves nothing', () => {
  writeFileSync(join(dir, 'file'), '');
  for (const kind of ['file', 'directory'] as const) {
    for (const path of [join(dir, 'file', 'out'), join(dir, 'file', 'deeper', 'out')]) {
      expect(() => checkOutput(path, { kind, option: '--log' })).toThrow(
        expect.objectContaining({ reason: 'OUTPUT_NOT_WRITABLE', field: '--log', value: path }),
      );
    }
  }
  checkOutput(join(dir, 'new', 'out'), directory);
  expect(readdirSync(dir)).toEqual(['file']);
});

test('an output appears whole, in new parents too', async () => {
  const path = join(dir, 'a', 'b');
  await writeOutput(checkOutput(path, directory), async (draft) => {
    expect(existsSync(path)).toBe(false);
    writeFileSync(join(draft, 'x'), 'whole');
  });
  expect(readFileSync(join(path, 'x'), 'utf8')).toBe('whole');
  expect(readdirSync(join(dir, 'a'))).toEqual(['b']);
});

test('what fails on the way leaves nothing, and what was there stays', async () => {
  const path = join(dir, 'out');
  mkdirSync(path);
  writeFileSync(join(path, 'config.json'), 'old');
  const place = checkOutput(path, { ...directory, overwrite: true });
  await expect(writeOutput(place, () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk');
  expect(readdirSync(dir)).toEqual(['out']);
  await writeOutput(place, async (draft) => writeFileSync(join(draft, 'config.json'), 'new'));
  expect(readdirSync(dir)).toEqual(['out']);
  expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe('new');
});
