/** The commands of the README's section "Your own model and data", as they stand there, one after the other. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HubServer } from '@emloc/downloads/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryRoot, Workplace } from './emloc.ts';
import { chatml, writeTextModel } from './text-model.ts';

function commandsOf(file: string, heading: string): string[][] {
  const text = readFileSync(join(repositoryRoot, file), 'utf8');
  const block = /```sh\n(.*?)```/s.exec(text.slice(text.indexOf(heading)))?.[1] ?? '';
  return (
    block
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line.startsWith('npx emloc '))
      // What is short enough for a test; all else is as a reader types it.
      .map((line) => line.replace('--max-steps 120', '--max-steps 4'))
      .map((line) => line.split(/\s+/).slice(2))
  );
}

const commands = commandsOf('README.md', '## Your own model and data');

const work = new Workplace();
let hub: HubServer;
let down: () => Promise<void>;

beforeAll(async () => {
  const model = writeTextModel(work.path('DIR'), chatml);
  const rows = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ prompt: `is ${i} even? `, completion: i % 2 === 0 ? 'yes' : 'no' }),
  );
  for (const name of ['train.jsonl', 'test.jsonl'])
    writeFileSync(work.path(name), rows.slice(0, name === 'train.jsonl' ? 40 : 5).join('\n'));
  hub = await HubServer.start();
  hub.token = 'secret';
  hub.writable = ['ORG'];
  const files = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
  hub.add('ORG/NAME', Object.fromEntries(files.map((name) => [name, readFileSync(join(model, name))])));
  Object.assign(process.env, {
    HF_ENDPOINT: hub.endpoint,
    HF_HOME: work.path('huggingface'),
    HF_TOKEN: hub.token,
  });
  for (const name of ['HF_HUB_CACHE', 'HF_HUB_OFFLINE']) delete process.env[name];
  down = await work.up();
});
afterAll(async () => {
  await down();
  await hub.stop();
  await work.dispose();
});

test('the section shows every step of the way', () => {
  expect(commands.map(([name]) => name)).toEqual([
    ...['doctor', 'models', 'data', 'finetune', 'evaluate', 'generate', 'merge', 'adapters'],
  ]);
});

test.each(commands.map((args) => [args.join(' '), args] as const))('emloc %s', async (_, args) => {
  await work.succeed(...args);
});

test('what the section promises is there', () => {
  for (const path of [
    'tuned/adapter',
    'tuned/adapter-uncorrected',
    'tuned/report.json',
    'merged/config.json',
  ])
    expect(existsSync(work.path(path)), path).toBe(true);
  const pushed = hub.repositories.get('ORG/ADAPTER')!.files('main')!;
  expect([...pushed.keys()]).toEqual(expect.arrayContaining(['adapter_model.safetensors', 'README.md']));
  // The card of this very job: its report lies beside the adapter.
  expect(pushed.get('README.md')!.content.toString()).toContain('rows of');
});

test('the command of docs/data.md shows the file', async () => {
  const [inspect] = commandsOf('docs/data.md', '# Data');
  const { stdout } = await work.succeed(...inspect!);
  expect(stdout).toMatch(/^format +jsonl\nshape +prompt-completion\n/);
});
