import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { madeFiles } from './files.ts';

test.each(await madeFiles())('$path says what the options say (else: npm run docs:cli)', ({ path, text }) => {
  const file = fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
  expect(readFileSync(file, 'utf8')).toBe(text);
});
