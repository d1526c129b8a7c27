import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { programArguments } from './index.mjs';
import { isProgram, sourceDigest, sourceFiles } from './sources.mjs';

const program = new URL('../../../clients/cli/src/main.ts', import.meta.url);
const directory = mkdtempSync(join(tmpdir(), 'emloc-launch-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('a program is compiled and runs like its source', () => {
  const args = programArguments(program, ['--no-warnings']);
  expect(args).toEqual([
    '--no-warnings',
    '--enable-source-maps',
    expect.stringMatching(/cli\/src\/main\.mjs$/),
  ]);
  const help = (...options: string[]) =>
    execFileSync(process.execPath, [...options, '--help'], { encoding: 'utf8' });
  expect(help(...args)).toBe(help('--import', 'tsx', fileURLToPath(program)));
});

test('an error has its own name in the log of a compiled program', () => {
  const migrate = new URL('../../../services/coordinator/src/migrate-main.ts', import.meta.url);
  const env = { ...process.env, EMLOC_DATABASE_URL: '', EMLOC_HOME: directory, EMLOC_LOG_FORMAT: 'json' };
  const { stderr } = spawnSync(process.execPath, programArguments(migrate), { encoding: 'utf8', env });
  const { err } = JSON.parse(stderr) as { err: { type: string; reason: string } };
  expect(err).toMatchObject({ type: 'EmlocError', reason: 'NO_DATABASE' });
});

test('the compiled program is the same until a source changes', () => {
  expect(programArguments(program)).toEqual(programArguments(program));
});

test('what is no program is run from source, JavaScript as it is', () => {
  const helper = join(directory, 'helper.ts');
  writeFileSync(helper, 'const greeting: string = "from source";\nconsole.log(greeting);\n');
  expect(execFileSync(process.execPath, programArguments(helper), { encoding: 'utf8' })).toBe(
    'from source\n',
  );
  expect(programArguments('/somewhere/worker.mjs', ['--a'])).toEqual(['--a', '/somewhere/worker.mjs']);
});

test('the digest tells of a file that is changed, new or gone, not of tests', () => {
  const source = join(directory, 'libs', 'one', 'src');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(directory, 'libs', 'one', 'package.json'), '{}');
  const digests = new Set<string>();
  const noted = () => digests.add(sourceDigest(directory)).size;
  writeFileSync(join(source, 'a.ts'), 'export {};\n');
  expect(noted()).toBe(1);
  writeFileSync(join(source, 'a.test.ts'), 'export {};\n');
  expect(noted()).toBe(1);
  utimesSync(join(source, 'a.ts'), 1, 1);
  expect(noted()).toBe(2);
  writeFileSync(join(source, 'b.ts'), 'export {};\n');
  expect(noted()).toBe(3);
  rmSync(join(source, 'a.ts'));
  expect(noted()).toBe(4);
});

test('every service, its worker, what an image runs besides and the command line are programs', () => {
  const programs = sourceFiles().filter(isProgram);
  for (const service of ['calibration', 'compression', 'training', 'correction', 'inference'])
    expect(programs).toEqual(
      expect.arrayContaining([`services/${service}/src/main.ts`, `services/${service}/src/worker.ts`]),
    );
  expect(programs).toEqual(
    expect.arrayContaining([
      'services/coordinator/src/main.ts',
      'services/coordinator/src/migrate-main.ts',
      'services/coordinator/src/check-main.ts',
      'clients/cli/src/mesh/supervisor-main.ts',
    ]),
  );
});
