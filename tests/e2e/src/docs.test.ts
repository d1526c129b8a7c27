/** The documentation's commands: those marked `run` as a reader types them, all others against the command line. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  bashOffers,
  checkCommand,
  emlocCommandsIn,
  fishOffers,
  hasShell,
  zshLines,
} from '@emloc/cli/testing';
import { HubServer } from '@emloc/downloads/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf, callsAtLeast, linksOf, needsMark, pages } from './docs/blocks.ts';
import { makePageFolder, runBlock, type PageFolder } from './docs/page-folder.ts';
import { repositoryRoot, Workplace } from './emloc.ts';

const blocks = pages().flatMap(blocksOf);

const withCalls = blocks.filter(({ text }) => /\bemloc\b/.test(text));

test.each(withCalls.map((block) => [block.name, block] as const))(
  '%s is what the command line takes',
  async (_, block) => {
    const calls = emlocCommandsIn(block.text);
    expect(calls.length).toBeGreaterThanOrEqual(callsAtLeast(block));
    for (const args of calls) await checkCommand(args);
  },
);

test('every block says that it is run, or why not', () => {
  const silent = blocks.filter(
    ({ page, mark, reason }) =>
      needsMark(page) && (mark === undefined || (mark === 'parsed' && reason === '')),
  );
  expect(silent.map(({ name }) => name)).toEqual([]);
});

test.each(pages())('%s links to files that are there', (page) => {
  const broken = linksOf(page).filter((link) => !existsSync(join(repositoryRoot, dirname(page), link)));
  expect(broken).toEqual([]);
});

test('what a block prints comes whole, wherever a piece of it ends', async () => {
  const braille = String.raw`printf '\xe2'; sleep 0.3; printf '\xa0\x81'`;
  expect((await runBlock(braille, repositoryRoot, {})).stdout).toBe('\u2801');
});

/** One mesh and one hub for all pages, and a folder for each. */
const work = new Workplace();
const folders: Readonly<Record<string, PageFolder>> = {
  'docs/tutorial.md': { model: 'smollm2' },
  'docs/generation.md': { model: 'DIR', adapters: ['tuned/adapter', 'one', 'two'] },
};
const runnable = blocks.filter(({ mark }) => mark === 'run');
const folderOf = (page: string): string => work.path(page.replace(/\W+/g, '-'));
let hub: HubServer;
let down: (() => Promise<void>) | undefined;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  for (const page of new Set(runnable.map((block) => block.page)))
    makePageFolder(folderOf(page), folders[page] ?? { model: 'DIR' });
  hub = await HubServer.start();
  hub.token = 'secret';
  hub.writable = ['ORG'];
  const model = join(folderOf('README.md'), 'DIR');
  const files = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
  hub.add('ORG/NAME', Object.fromEntries(files.map((name) => [name, readFileSync(join(model, name))])));
  down = await work.up();
  const mesh = JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8')) as {
    addresses: { coordinator: string };
  };
  environment = {
    ...{ EMLOC_HOME: work.home, HF_ENDPOINT: hub.endpoint, HF_TOKEN: hub.token },
    ...{ HF_HOME: work.path('huggingface'), HF_HUB_CACHE: undefined, HF_HUB_OFFLINE: undefined },
    ...{ COORDINATOR: mesh.addresses.coordinator, MODEL: join(folderOf('docs/remote-mesh.md'), 'DIR') },
  };
});
afterAll(async () => {
  await down?.();
  await hub.stop();
  await work.dispose();
});

describe('what is marked run', () => {
  test('is there on every page that teaches', () => {
    expect([...new Set(runnable.map(({ page }) => page))]).toEqual(
      expect.arrayContaining([
        ...['README.md', 'docs/adapters.md', 'docs/data.md', 'docs/generation.md', 'docs/jobs.md'],
        ...['docs/models.md', 'docs/remote-mesh.md', 'docs/tutorial.md'],
      ]),
    );
  });

  const hasScript = spawnSync('script', ['--version'], { stdio: 'ignore' }).status === 0;
  const outputs = new Map<string, string>();
  test.each(runnable.map((block) => [block.name, block] as const))('%s works', async (name, block) => {
    const { code, stdout, stderr } = await runBlock(block.text, folderOf(block.page), environment);
    if (code !== 0) throw new Error(`ended with ${code}:\n${stdout}\n${stderr}`);
    outputs.set(name, stdout);
  });

  const outputOf = (page: string): string =>
    [...outputs].flatMap(([name, text]) => (name.startsWith(`${page}:`) ? [text] : [])).join('');
  const at = (page: string, ...path: string[]): string => join(folderOf(page), ...path);

  test('gives what the pages promise', () => {
    for (const path of [
      'tuned/adapter',
      'tuned/adapter-uncorrected',
      'tuned/report.json',
      'merged/config.json',
    ])
      for (const page of ['README.md', ...(path.startsWith('merged') ? ['docs/tutorial.md'] : [])])
        expect(existsSync(at(page, path)), `${page}: ${path}`).toBe(true);
    const pushed = hub.repositories.get('ORG/ADAPTER')!.files('main')!;
    expect([...pushed.keys()]).toEqual(expect.arrayContaining(['adapter_model.safetensors', 'README.md']));
    // The card of this very job: its report lies beside the adapter.
    expect(pushed.get('README.md')!.content.toString()).toContain('rows of');
    expect(outputOf('docs/data.md')).toMatch(/^format +jsonl\nshape +prompt-completion\n/);
    expect(outputOf('docs/tutorial.md')).toMatch(/accuracy among choices +[\d.]+/);
  });

  test('the job of a file is what the file says, what is typed wins', () => {
    const report = JSON.parse(readFileSync(at('docs/jobs.md', 'tuned-short', 'report.json'), 'utf8')) as {
      settings: unknown;
    };
    const written = JSON.stringify(report.settings);
    expect(written).toContain('"q_proj"');
    expect(written).not.toContain('"k_proj"');
    expect(written).toMatch(/"learning_?[rR]ate":0\.0005\b/);
  });

  test('a job is watched and logged: its stages, and what the services said', async () => {
    const job = await work.json<{ jobs: { id: string; state: string }[] }>('jobs', 'list');
    const { id } = job.jobs.find(({ state }) => state === 'succeeded')!;
    const logged = await work.succeed('logs', '--job', id, '--follow');
    expect(logged.stdout).toMatch(/INFO {2}job \S+: queued\n/);
    expect(logged.stdout).toMatch(/train: running \(operation \S+ of training\)/);
    expect(logged.stdout).toMatch(/INFO {2}job \S+: succeeded\n/);
    // What a service says about it, too.
    expect(logged.stdout).toMatch(/INFO {2}coordinator: /);
    expect((await work.succeed('logs', '--service', 'coordinator')).stdout).toContain(
      'coordinator: listening',
    );
    // Where the mesh is elsewhere there are no files to read.
    const elsewhere = ['--server', environment['COORDINATOR']!];
    const remote = await work.succeed('logs', '--job', id, ...elsewhere);
    expect(remote.stdout).toMatch(/INFO {2}job \S+: succeeded\n/);
    expect(remote.stdout).not.toContain('coordinator: ');
    const watched = await work.succeed('jobs', 'watch', id);
    // No terminal: lines, no curve.
    expect(watched.stderr).toMatch(/^train/m);
    expect(watched.stderr).not.toMatch(/[┤\u2800-\u28ff\u001b]/);
  });

  test('a Tab offers the jobs of the mesh (in the shells that are here), not of one elsewhere', async () => {
    const folder = work.path('completion');
    const programs = join(folder, 'bin');
    mkdirSync(programs, { recursive: true });
    const program = join(repositoryRoot, 'clients/cli/bin/emloc.mjs');
    writeFileSync(join(programs, 'emloc'), `#!/bin/sh\nexec node '${program}' "$@"\n`, { mode: 0o755 });
    const path = `${programs}:${process.env['PATH']}`;
    const set = { ...process.env, PATH: path, EMLOC_HOME: work.home };
    for (const shell of ['bash', 'fish', 'zsh'])
      writeFileSync(join(folder, shell), (await work.succeed('completion', shell)).stdout);
    if (hasShell('bash')) {
      const offers = (...words: string[]): string[] =>
        bashOffers(join(folder, 'bash'), folder, ['emloc', ...words], set);
      expect(offers('jobs', 'watch', 'tuto')).toEqual(['tutorial']);
      expect(offers('logs', '--job', 'tuto')).toEqual(['tutorial']);
      expect(offers('jobs', 'watch', '--server', 'there:1', 'tuto')).toEqual([]);
    }
    if (hasShell('fish')) {
      expect(fishOffers(join(folder, 'fish'), folder, 'emloc jobs watch tuto', set)).toEqual(['tutorial']);
      expect(fishOffers(join(folder, 'fish'), folder, 'emloc jobs get --server x tuto', set)).toEqual([]);
    }
    if (hasShell('zsh')) {
      const typed = ['emloc jobs watch tuto', 'emloc logs --job=tuto', 'emloc jobs get --server x tuto'];
      expect(zshLines(join(folder, 'zsh'), folder, typed, set)).toEqual([
        'emloc jobs watch tutorial ',
        'emloc logs --job=tutorial ',
        'emloc jobs get --server x tuto',
      ]);
    }
  });

  test.skipIf(!hasScript)(
    'on a terminal the losses are a curve as wide as it (skipped without script)',
    async () => {
      const command = 'stty cols 70 rows 20; emloc jobs watch tutorial';
      const { code, stdout } = await runBlock(
        `export -f emloc; script -qfec "bash -c '${command}'" /dev/null`,
        folderOf('docs/tutorial.md'),
        { ...environment, LC_ALL: 'C.UTF-8' },
      );
      expect(code).toBe(0);
      const curve = stdout.split(/\r?\n/).filter((line) => /^ {0,9}[\d.]* *[┤│└]/.test(line));
      expect(curve.length).toBeGreaterThanOrEqual(10);
      expect(curve.some((line) => /[\u2801-\u28ff]/.test(line))).toBe(true);
      expect(curve.filter((line) => line.length > 69)).toEqual([]);
      expect(curve.some((line) => line.length === 69)).toBe(true);
    },
  );
});
