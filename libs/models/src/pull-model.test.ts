import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pullModel } from './pull-model.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

/** A cache in which the model is already. */
function cacheWithModel(): string {
  const cacheDir = temporaryDirectory();
  mkdirSync(join(cacheDir, 'models/smollm2-135m'), { recursive: true });
  writeFileSync(join(cacheDir, 'models/smollm2-135m/config.json'), '{}');
  return cacheDir;
}

test('a model that is in the cache is not fetched, and copied where that is asked', async () => {
  const cacheDir = cacheWithModel();
  const env = { EMLOC_PYTHON: '/nowhere/python' };
  expect(await pullModel('smollm2-135m', { cacheDir, env })).toBe(join(cacheDir, 'models/smollm2-135m'));
  const output = join(temporaryDirectory(), 'out');
  expect(await pullModel('smollm2-135m', { cacheDir, env, output })).toBe(output);
  expect(readdirSync(output)).toEqual(['config.json']);
  await expect(pullModel('smollm2-135m', { cacheDir, env, output })).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
  });
  await pullModel('smollm2-135m', { cacheDir, env, output, overwrite: true });
});

test('a name that is not known is told with those that are', async () => {
  await expect(pullModel('gpt-9')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    mend: expect.stringContaining('smollm2-135m'),
  });
});

test('without pip nothing is left in the cache, and the mend is named', async () => {
  const cacheDir = temporaryDirectory();
  const env = { EMLOC_PYTHON: '/nowhere/python' };
  await expect(pullModel('smollm2-135m', { cacheDir, env })).rejects.toMatchObject({
    reason: 'PIP_NOT_FOUND',
  });
  expect(readdirSync(join(cacheDir, 'models'))).toEqual([]);
});
