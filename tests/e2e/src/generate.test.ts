/** `emloc generate`: prompts from everywhere, adapters by name, conversations, and what is refused. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeByteTokenizer } from './byte-tokenizer.ts';
import { tinyLlama, until, Workplace } from './emloc.ts';
import { writeLines } from './golden.ts';

const work = new Workplace();
const model = work.path('model');
const generate = ['generate', '--model', model, '--max-new-tokens', '12', '--ignore-eos'];
const adapters = ['corrected', 'uncorrected'].flatMap((name) => [
  '--adapter',
  `${name}=${join(tinyLlama, `adapter-${name}`)}`,
]);

interface Line {
  readonly prompt?: string;
  readonly messages?: object[];
  readonly adapter?: string;
  readonly text: string;
  readonly ids: number[];
  readonly log_probabilities?: number[];
  readonly finish_reason: string;
}

const lines = (stdout: string): Line[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** What the bytes are as a text. */
const textOf = ({ ids }: Line): string => Buffer.from(ids).toString('utf8');

let down: () => Promise<void>;
beforeAll(async () => {
  cpSync(tinyLlama, model, { recursive: true });
  writeByteTokenizer(model);
  down = await work.up();
});
afterAll(async () => {
  await down();
  await work.dispose();
});

test('the text alone is on stdout, with whole characters, as the ids have it', async () => {
  const { stdout } = await work.succeed(...generate, '--prompt', 'Hello');
  const [json] = lines((await work.succeed(...generate, '--prompt', 'Hello', '--json')).stdout);
  expect(json).toMatchObject({ prompt: 'Hello', finish_reason: 'max_new_tokens', new_tokens: 12 });
  expect(json!.text).toBe(textOf(json!));
  expect(stdout).toBe(`${json!.text}\n`);
});

test('prompts together, each with its adapter, give what each gives alone', async () => {
  const prompts = ['--prompt', 'one', '--prompt', 'one', '--prompt', 'three'];
  const uses = ['--use', 'corrected', '--use', 'none', '--use', 'uncorrected'];
  const { stdout } = await work.succeed(
    ...generate,
    ...adapters,
    ...prompts,
    ...uses,
    '--json',
    '--log-probabilities',
  );
  const together = lines(stdout);
  expect(together.map(({ prompt, adapter }) => [prompt, adapter])).toEqual([
    ['one', 'corrected'],
    ['one', undefined],
    ['three', 'uncorrected'],
  ]);
  expect(together[0]!.log_probabilities).toHaveLength(12);
  expect(together[0]!.log_probabilities).not.toEqual(together[1]!.log_probabilities);
  const alone = await work.succeed(
    ...[...generate, '--adapter', join(tinyLlama, 'adapter-corrected'), '--prompt', 'one', '--json'],
  );
  expect(lines(alone.stdout)[0]).toMatchObject({ adapter: 'adapter-corrected', ids: together[0]!.ids });
});

test('lines of standard input and rows of a file are prompts; draws repeat with their seed', async () => {
  const drawing = [...generate, '--temperature', '1.3', '--top-k', '40', '--seed', '7', '--json'];
  const fed = await work.feed('alpha\n\nbeta\n', ...drawing);
  expect(fed.code).toBe(0);
  const file = work.path('prompts.jsonl');
  writeLines(file, [
    { prompt: 'alpha' },
    { prompt: 'beta' },
    { messages: [{ role: 'u', content: 'c' }], adapter: 'none' },
  ]);
  const filed = lines((await work.succeed(...drawing, '--prompts', file)).stdout);
  expect(lines(fed.stdout).map(({ prompt }) => prompt)).toEqual(['alpha', 'beta']);
  expect(filed.slice(0, 2).map(({ ids }) => ids)).toEqual(lines(fed.stdout).map(({ ids }) => ids));
  expect(filed[2]!.messages).toEqual([{ role: 'u', content: 'c' }]);
});

test('a conversation keeps what was said, changes its adapter, and goes on after a mistake', async () => {
  const chat = [...generate, ...adapters, '--use', 'none', '--chat', '--json', '--system', 'S'];
  const turns = [
    'first',
    '/adapter nobody',
    '/nonsense',
    'second',
    '/adapter corrected',
    'third',
    '/reset',
    'fourth',
    '/exit',
    'x',
  ];
  const { code, stdout, stderr } = await work.feed(turns.map((turn) => `${turn}\n`).join(''), ...chat);
  expect(code).toBe(0);
  const said = lines(stdout);
  expect(said).toHaveLength(4);
  const [first, second, third, fourth] = said as [Line, Line, Line, Line];
  const turn = (role: string, content: string): object => ({ role, content });
  expect(second.messages).toEqual([
    turn('system', 'S'),
    turn('user', 'first'),
    turn('assistant', first.text),
    turn('user', 'second'),
  ]);
  expect([second.adapter, third.adapter]).toEqual([undefined, 'corrected']);
  expect(third.messages).toHaveLength(6);
  expect(fourth.messages).toEqual([turn('system', 'S'), turn('user', 'fourth')]);
  expect(stderr).toContain('no adapter is called nobody');
  expect(stderr).toContain('there is no /nonsense');
});

test('stop strings end a text before them', async () => {
  const [whole] = lines((await work.succeed(...generate, '--prompt', 'Hello', '--json')).stdout);
  const characters = [...whole!.text];
  const stop = characters.slice(4, 6).join('');
  const { stdout } = await work.succeed(...generate, '--prompt', 'Hello', '--json', '--stop', stop);
  const [stopped] = lines(stdout);
  expect(stopped).toMatchObject({
    finish_reason: 'stop',
    text: whole!.text.slice(0, whole!.text.indexOf(stop)),
  });
});

test('Ctrl-C ends a generation: exit code 130, the text so far on a line of its own', async () => {
  const long = ['generate', '--model', model, '--prompt', 'H', '--max-new-tokens', '250', '--ignore-eos'];
  const running = work.start(...long, '--weight-loading', 'streamed', '--temperature', '1');
  await until(running, () => running.stdout().length > 4);
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.done;
  expect(code).toBe(130);
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stderr).toContain('interrupted');
});

describe('refusals', () => {
  const plain = ['generate', '--model', tinyLlama];
  test.each<[string, string[], number, string[]]>([
    ['a model without a tokenizer', [...plain, '--prompt', 'x'], 1, ['--model', 'tokenizer.json']],
    [
      'an unknown adapter',
      [...generate, ...adapters, '--prompt', 'x', '--use', 'y'],
      2,
      ['--use', 'corrected or uncorrected or none'],
    ],
    ['several adapters, none chosen', [...generate, ...adapters, '--prompt', 'x'], 2, ['--use', 'corrected']],
    [
      'two adapters of one name',
      [...generate, ...adapters, ...adapters, '--prompt', 'x'],
      2,
      ['--adapter', 'two adapters'],
    ],
    [
      'more uses than prompts',
      [...generate, ...adapters, '--prompt', 'x', '--use', 'none', '--use', 'none'],
      2,
      ['--use'],
    ],
    [
      'a temperature below 0',
      [...generate, '--prompt', 'x', '--temperature', '-1'],
      2,
      ['--temperature', '(0, ∞)'],
    ],
    ['a top-p of 0', [...generate, '--prompt', 'x', '--top-p', '0'], 2, ['--top-p', '(0, 1]']],
    [
      'two kinds of prompts',
      [...generate, '--prompt', 'x', '--chat'],
      2,
      ['--chat', 'both --prompt and --chat'],
    ],
    [
      'a prompt longer than the model',
      [...generate, '--prompt', 'x'.repeat(300)],
      1,
      ['--prompt', '300 tokens', '256'],
    ],
    ['an empty prompt', [...generate, '--prompt', ''], 2, ['--prompt', 'empty']],
    ['a row that is no prompt', [...generate, '--prompts', work.path('rows.jsonl')], 1, ['rows.jsonl:2']],
  ])('%s', async (_, args, code, words) => {
    writeFileSync(work.path('rows.jsonl'), '{"prompt": "a"}\n{"prompts": "b"}\n');
    const outcome = await work.run(...args);
    expect(outcome.stdout).toBe('');
    for (const word of words) expect(outcome.stderr).toContain(word);
    expect(outcome.code).toBe(code);
  });

  test('a conversation with a model that has no chat template', async () => {
    const bare = work.path('bare');
    cpSync(model, bare, { recursive: true });
    writeFileSync(join(bare, 'tokenizer_config.json'), '{}');
    const outcome = await work.run('generate', '--model', bare, '--chat');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('--chat: the model has no chat template');
  });
});
