import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Fields } from './fields.ts';
import { sourceResolver } from './sources.ts';

const top = realpathSync(mkdtempSync(join(tmpdir(), 'emloc-roots-')));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const root = join(top, 'models');
mkdirSync(join(root, 'tiny'), { recursive: true });
writeFileSync(join(top, 'secret'), '');
symlinkSync(join(top, 'secret'), join(root, 'link'));

const digest = `sha256:${'0'.repeat(64)}`;
const resolver = sourceResolver([root], (asked) =>
  Promise.resolve(asked === digest ? '/store/it' : undefined),
);
const resolve = (source: object) => resolver.resolve(new Fields({ model: source }).required('model'));

test('a path inside the roots and an artifact of the store are found', async () => {
  expect(await resolve({ path: join(root, 'tiny') })).toEqual({ path: join(root, 'tiny') });
  expect(await resolve({ artifact: { digest } })).toEqual({ path: '/store/it' });
  expect(await sourceResolver(['/'], async () => undefined).resolve(new Fields({ path: top }))).toEqual({
    path: top,
  });
});

test.each([
  [{ path: join(top, 'secret') }, 'PATH_OUTSIDE_ROOTS', 'model.path'],
  [{ path: join(root, '..', 'secret') }, 'PATH_OUTSIDE_ROOTS', 'model.path'],
  [{ path: join(root, 'link') }, 'PATH_OUTSIDE_ROOTS', 'model.path'],
  [{ path: join(top, 'models-of-others') }, 'PATH_OUTSIDE_ROOTS', 'model.path'],
  [{ path: join(root, 'missing') }, 'FILE_NOT_FOUND', 'model.path'],
  [{ path: 'tiny' }, 'PATH_NOT_ABSOLUTE', 'model.path'],
  [{ artifact: { digest: 'sha256:other' } }, 'ARTIFACT_NOT_FOUND', 'model.artifact.digest'],
  [{}, 'FIELD_MISSING', 'model.path'],
])('%o is refused', async (source, reason, field) => {
  await expect(resolve(source)).rejects.toMatchObject({ reason, field });
});
