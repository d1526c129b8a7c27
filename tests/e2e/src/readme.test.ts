/** The commands of the README's "Your own model and data", as they stand there, on a small model and a few steps. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryRoot, Workplace } from './emloc.ts';
import { chatml, writeTextModel } from './text-model.ts';

const work = new Workplace();
let down: () => Promise<void>;

beforeAll(async () => {
  writeTextModel(work.path('DIR'), chatml);
  const rows = Array.from({ length: 24 }, (_, i) => ({
    messages: [
      { role: 'user', content: `how much is ${i}?` },
      { role: 'assistant', content: 'abc'.slice(0, 1 + (i % 3)) },
    ],
  }));
  for (const name of ['train.jsonl', 'test.jsonl'])
    writeFileSync(work.path(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  down = await work.up();
});
afterAll(async () => {
  await down();
  await work.dispose();
});

/** What needs a hub or a terminal, and the file of tests that gives it one. */
const elsewhere: Readonly<Record<string, string>> = {
  'models pull': 'hub.test.ts',
  'adapters push': 'hub.test.ts',
  generate: 'generate.test.ts',
};

function commandsOf(file: string, heading: string): string[][] {
  const text = readFileSync(join(repositoryRoot, file), 'utf8');
  const block = /```sh\n(.*?)```/s.exec(text.slice(text.indexOf(heading)))?.[1] ?? '';
  return block
    .split('\n')
    .map((line) => line.replace(/ #.*$/, '').trim())
    .filter((line) => line.startsWith('npx emloc '))
    .map((line) => line.replace('--max-steps 120', '--max-steps 4').split(/\s+/).slice(2));
}

test('each command of the README works as it is written', async () => {
  const commands = commandsOf('README.md', '## Your own model and data');
  expect(commands.length).toBeGreaterThan(6);
  const ran: string[] = [];
  for (const command of commands) {
    const other = Object.keys(elsewhere).find((words) => command.join(' ').startsWith(words));
    if (other !== undefined) {
      expect(existsSync(join(import.meta.dirname, elsewhere[other]!))).toBe(true);
      continue;
    }
    await work.succeed(...command);
    ran.push(command[0]!);
  }
  expect(ran).toEqual(['doctor', 'data', 'finetune', 'evaluate', 'merge']);
  expect(readdirSync(work.path('tuned')).sort()).toContain('report.json');
  expect(readdirSync(work.path('merged'))).toContain('model.safetensors');
});

test('the command of docs/data.md shows the file', async () => {
  const [inspect] = commandsOf('docs/data.md', '# Data');
  const { stdout } = await work.succeed(...inspect!);
  expect(stdout).toMatch(/^format +jsonl\nshape +messages\n/);
});
