import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ArtifactStore } from './artifact-store.ts';
import { resultKey } from './canonical-json.ts';
import { directoryDigest, fileDigest, type Digest } from './digest.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const store = (): ArtifactStore => new ArtifactStore(join(temporaryDirectory(), 'store'));
const absent: Digest = `sha256:${'0'.repeat(64)}`;

function directory(files: Record<string, string>): string {
  const root = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** Path → text of every file of an artifact. */
async function content(from: ArtifactStore, digest: Digest): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  let path = '';
  for await (const part of from.read(digest)) {
    if ('file' in part) files[(path = part.file.path)] = '';
    else files[path] += part.chunk.toString();
  }
  return files;
}

const abc = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

test('a file lies under the digest of its content, read-only, whatever its name was', async () => {
  const s = store();
  const root = directory({ 'a.txt': 'abc', 'b.txt': 'abc' });
  const artifact = await s.putFile(join(root, 'a.txt'));
  expect(artifact).toMatchObject({ digest: abc, kind: 'file', byteSize: 3 });
  expect(await s.putFile(join(root, 'b.txt'))).toMatchObject({ digest: abc, path: artifact.path });
  expect(readFileSync(artifact.path, 'utf8')).toBe('abc');
  expect(statSync(artifact.path).mode & 0o222).toBe(0);
  expect(await s.list()).toEqual([abc]);
  expect(Object.values(await content(s, abc))).toEqual(['abc']);
  expect(readdirSync(join(s.root, 'staging'))).toEqual([]);
});

test("a directory's digest is that of its sorted list, as any language computes it", async () => {
  const root = directory({ 'model/w.bin': 'abc', 'config.json': '{}', Z: '' });
  const { digest } = await directoryDigest(root);
  const sum = (data: string): string => createHash('sha256').update(data).digest('hex');
  const list = `emloc.directory.v1\nZ\0${0}\0${sum('')}\nconfig.json\0${2}\0${sum('{}')}\nmodel/w.bin\0${3}\0${sum('abc')}\n`;
  expect(digest).toBe(`sha256:${sum(list)}`);
  // By Python's hashlib.
  expect(digest).toBe('sha256:bfb861e89441133373d5beb3abee46c534a5e75e050cf476a8accc485162169f');
});

test('a directory is stored whole, and the same content once', async () => {
  const s = store();
  const files = { 'model/w.bin': 'abc', 'config.json': '{}' };
  const artifact = await s.putDirectory(directory(files));
  expect(await s.putDirectory(directory(files))).toMatchObject({ digest: artifact.digest });
  expect((await s.get(artifact.digest)).files).toEqual([
    { path: 'config.json', byteSize: 2 },
    { path: 'model/w.bin', byteSize: 3 },
  ]);
  expect(await content(s, artifact.digest)).toEqual(files);
  await expect(s.get(absent)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a link is no copy, and adopting a directory moves it', async () => {
  const s = new ArtifactStore(join(directory({}), 'store'));
  const root = directory({ a: 'abc' });
  const linked = await s.putFile(join(root, 'a'), { transfer: 'link' });
  expect(statSync(linked.path).ino).toBe(statSync(join(root, 'a')).ino);
  const made = directory({ x: '1' });
  const ino = statSync(join(made, 'x')).ino;
  const adopted = await s.adopt(made);
  expect(existsSync(made)).toBe(false);
  expect(statSync(join(adopted.path, 'x')).ino).toBe(ino);
});

test('links to files are followed when copied, and refused when adopted', async () => {
  const s = store();
  const root = directory({ 'blob/1': 'abc', 'snapshot/readme': '' });
  symlinkSync(join(root, 'blob/1'), join(root, 'snapshot/w'));
  const artifact = await s.putDirectory(join(root, 'snapshot'));
  expect(await content(s, artifact.digest)).toEqual({ readme: '', w: 'abc' });
  await expect(s.adopt(join(root, 'snapshot'))).rejects.toMatchObject({ reason: 'NOT_A_REGULAR_FILE' });
  expect(existsSync(join(root, 'snapshot/readme'))).toBe(true);
});

test('what is staged appears whole under its digest, or not at all', async () => {
  const s = store();
  const staging = await s.begin();
  writeFileSync(await staging.resolve('deep/er/x'), '1');
  await expect(staging.resolve('../../x')).rejects.toMatchObject({ reason: 'BAD_PATH' });
  expect(await s.list()).toEqual([]);
  const artifact = await staging.commit('directory');
  expect(await s.list()).toEqual([artifact.digest]);

  const wrong = await s.begin();
  writeFileSync(await wrong.resolve('x'), 'abd');
  await expect(wrong.commit('file', { expected: abc })).rejects.toMatchObject({ code: 'DATA_LOSS' });
  const two = await s.begin();
  writeFileSync(await two.resolve('x'), 'abc');
  writeFileSync(await two.resolve('y'), 'abc');
  await expect(two.commit('file')).rejects.toMatchObject({ reason: 'NOT_ONE_FILE' });
  expect(await s.list()).toEqual([artifact.digest]);
  expect(readdirSync(join(s.root, 'staging'))).toEqual([]);
});

test('many processes may bring the same content at once', async () => {
  const s = store();
  const root = directory({ a: 'x'.repeat(100_000), b: 'y' });
  const script = `import { ArtifactStore } from ${JSON.stringify(join(import.meta.dirname, 'artifact-store.ts'))};
    console.log((await new ArtifactStore(${JSON.stringify(s.root)}).putDirectory(${JSON.stringify(root)})).digest)`;
  const path = join(temporaryDirectory(), 'put.mts');
  writeFileSync(path, script);
  const cwd = import.meta.dirname;
  const runs = [1, 2, 3].map(() => text(spawn(process.execPath, ['--import', 'tsx', path], { cwd }).stdout));
  const digests = (await Promise.all(runs)).map((out) => out.trim());
  expect(new Set(digests)).toEqual(new Set(await s.list()));
  expect(readdirSync(join(s.root, 'staging'))).toEqual([]);
});

test('a result is found by the digest of its inputs, as long as its artifact is there', async () => {
  const s = store();
  const { digest } = await s.putFile(join(directory({ a: 'abc' }), 'a'));
  const key = resultKey({ model: digest, ratio: 0.5, modules: ['q', 'k'] });
  expect(key).toBe(resultKey({ modules: ['q', 'k'], ratio: 0.5, seed: undefined, model: digest }));
  expect(key).not.toBe(resultKey({ model: digest, ratio: 0.5, modules: ['k', 'q'] }));
  expect(await s.results.get(key)).toBeUndefined();
  await s.results.put(key, digest);
  expect(await s.results.get(key)).toBe(digest);
  await s.delete(digest);
  expect(await s.results.get(key)).toBeUndefined();
  expect(() => resultKey({ ratio: NaN })).toThrow(/value.ratio is NaN/);
  await expect(s.results.get('../x')).rejects.toMatchObject({ reason: 'BAD_KEY' });
});

test('collecting keeps what a result or the caller names, and what is young', async () => {
  const s = store();
  const root = directory({ a: '1', b: '2', c: '3' });
  const [a, b, c] = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => (await s.putFile(join(root, name))).digest),
  );
  await s.results.put(resultKey(1), a!);
  expect(await s.gc()).toEqual([]);
  expect(await s.gc({ minAgeMs: 0, keep: [b!] })).toEqual([c]);
  expect((await s.list()).sort()).toEqual([a, b].sort());
});

test('a copy for the user is writable and never replaces anything', async () => {
  const s = store();
  const { digest } = await s.putDirectory(directory({ 'sub/a': 'abc' }));
  const target = join(temporaryDirectory(), 'out');
  await s.export(digest, target);
  writeFileSync(join(target, 'sub/a'), 'changed');
  expect(await content(s, digest)).toEqual({ 'sub/a': 'abc' });
  await expect(s.export(digest, target)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(readdirSync(join(target, '..'))).toEqual(['out']);
});

test.each(['file', 'directory'] as const)(
  'a %s that was changed behind the back of the store is not read to its end',
  async (kind) => {
    const s = store();
    const root = directory({ a: 'abc' });
    const { digest, path } = kind === 'file' ? await s.putFile(join(root, 'a')) : await s.putDirectory(root);
    const file = kind === 'file' ? path : join(path, 'a');
    execFileSync('chmod', ['u+w', file]);
    writeFileSync(file, 'abd');
    await expect(content(s, digest)).rejects.toMatchObject({
      code: 'DATA_LOSS',
      reason: 'ARTIFACT_DAMAGED',
      mend: expect.stringContaining(path),
    });
  },
);

test('a file is hashed once while it stays as it is', async () => {
  const s = store();
  const path = join(directory({ a: 'abc' }), 'a');
  expect(await fileDigest(path, s.digests)).toBe(abc);
  expect((await s.digests.get(path))!.digest).toBeUndefined();
  const now = Date.now;
  Date.now = () => now() + 3000;
  try {
    await fileDigest(path, s.digests);
  } finally {
    Date.now = now;
  }
  expect((await s.digests.get(path))!.digest).toBe(abc);
  expect((await new ArtifactStore(s.root).digests.get(path))!.digest).toBe(abc);
  writeFileSync(path, 'abd');
  utimesSync(path, 1, 1);
  expect((await s.digests.get(path))!.digest).toBeUndefined();
});

test('digests from outside are checked before they become a path', () => {
  expect(() => store().path('sha256:../../etc' as Digest)).toThrow(/no digest/);
});
