import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { writeDirectory } from './output-directory.ts';

const put = (text: string) => (directory: string) => writeFileSync(join(directory, 'a'), text);

test('a directory appears whole, over an empty one too, and replaces another one only where that is asked', async () => {
  const top = temporaryDirectory();
  const out = join(top, 'out');
  mkdirSync(out);
  await writeDirectory(out, {}, (directory) => {
    put('one')(directory);
    expect(existsSync(join(out, 'a'))).toBe(false);
  });
  await expect(writeDirectory(out, { field: '--output' }, put('two'))).rejects.toMatchObject({
    reason: 'OUTPUT_EXISTS',
    field: '--output',
    mend: expect.stringContaining('--overwrite'),
  });
  expect(readFileSync(join(out, 'a'), 'utf8')).toBe('one');
  await writeDirectory(out, { overwrite: true }, put('two'));
  expect(readFileSync(join(out, 'a'), 'utf8')).toBe('two');
  expect(readdirSync(top)).toEqual(['out']);
});

test('a write that fails leaves what was there', async () => {
  const top = temporaryDirectory();
  const out = join(top, 'out');
  await writeDirectory(out, {}, put('one'));
  const failing = writeDirectory(out, { overwrite: true }, () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toMatchObject({ name: 'EmlocError', message: 'no' });
  expect(readFileSync(join(out, 'a'), 'utf8')).toBe('one');
  expect(readdirSync(top)).toEqual(['out']);
});

test('what came to the place while writing is not replaced', async () => {
  const out = join(temporaryDirectory(), 'out');
  const late = writeDirectory(out, {}, () => {
    mkdirSync(out);
    put('other')(out);
  });
  await expect(late).rejects.toMatchObject({ reason: 'OUTPUT_EXISTS' });
  expect(readFileSync(join(out, 'a'), 'utf8')).toBe('other');
});

test('a file is never replaced, and a place below a file is none', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  await expect(writeDirectory(file, { overwrite: true }, put('x'))).rejects.toMatchObject({
    message: expect.stringContaining('is a file'),
  });
  await expect(writeDirectory(join(file, 'out'), {}, put('x'))).rejects.toMatchObject({ name: 'EmlocError' });
});
