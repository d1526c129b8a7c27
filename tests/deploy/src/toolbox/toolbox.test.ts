import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lacking, root, run, tools } from '../tools.ts';

const main = join(root, 'tools', 'toolbox', 'main.mjs');

function emptyCache(): string {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-toolbox-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test.skipIf(lacking('kubeconform') !== undefined)('a tool is the version that its recipe pins', () => {
  const [path = ''] = tools('kubeconform');
  const { stdout } = run(process.execPath, [main, '--list']);
  const pinned = /^kubeconform (.*)$/m.exec(stdout)?.[1];
  expect(path).toContain(`kubeconform-${pinned}`);
  expect(run('go', ['version', '-m', path]).stdout).toContain(`kubeconform\tv${pinned}\t`);
});

test('a name without a recipe is refused with the names there are', () => {
  const { code, stderr } = run(process.execPath, [main, 'helmet']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/there is no tool helmet \(there are: .*helm, /);
});

test('what cannot be made says what is missing, and leaves nothing behind', () => {
  const cache = emptyCache();
  const env = { ...process.env, EMLOC_CACHE: cache, PATH: cache };
  const { code, stderr } = run(process.execPath, [main, 'kubeconform'], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('kubeconform cannot be made: go not on the PATH');
  expect(existsSync(join(cache, 'tools'))).toBe(false);
});

test('a build that fails leaves nothing behind, and shows what it printed', () => {
  const cache = emptyCache();
  const env = { ...process.env, EMLOC_CACHE: cache, GOPROXY: 'off', GOMODCACHE: join(cache, 'mod') };
  const { code, stderr } = run(process.execPath, [main, 'kubeconform'], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('module lookup disabled by GOPROXY=off');
  expect(readdirSync(join(cache, 'tools'))).toEqual([]);
});
