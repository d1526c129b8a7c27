/** The documentation's commands: those marked `run` as a reader types them, all others against the command line. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkCommand, emlocCommandsIn } from '@emloc/cli/testing';
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

test.each(pages().filter(needsMark))('%s links to files that are there', (page) => {
  const broken = linksOf(page).filter((link) => !existsSync(join(repositoryRoot, dirname(page), link)));
  expect(broken).toEqual([]);
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
    const watched = await work.succeed('jobs', 'watch', id);
    // No terminal: lines, no curve.
    expect(watched.stderr).toMatch(/^train/m);
    expect(watched.stderr).not.toMatch(/[┤\u2800-\u28ff\u001b]/);
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
      expect(Math.max(...curve.map((line) => line.length))).toBe(69);
    },
  );
});
