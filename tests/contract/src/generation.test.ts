/** Generate: what comes agrees with what Score says of it, for rows of different adapters in one call, from one process. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StageClient } from './support/operations.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

let mesh: TestMesh;
let inference: StageClient;

beforeAll(async () => {
  mesh = await TestMesh.start(['inference']);
  inference = new StageClient(mesh, 'inference');
});
afterAll(() => mesh?.stop());

const model = { path: fixture };
const adapter = (name: string): object => ({ name, source: { path: join(fixture, `adapter-${name}`) } });
const adapters = ['corrected', 'uncorrected'].map(adapter);
const tokens = (...ids: number[]): object => ({ tokens: { ids } });
const long = Array.from({ length: 40 }, (_, t) => (7 * t + 3) % 250);
const prompts: { readonly adapter?: string }[] = [
  { ...tokens(3, 50, 9), adapter: 'corrected' },
  tokens(...long),
  { ...tokens(...long), adapter: 'uncorrected' },
  { ...tokens(8, 1, 200, 77, 5), adapter: 'corrected' },
];
const idsOf = (prompt: object): number[] => (prompt as { tokens: { ids: number[] } }).tokens.ids;

interface Made {
  readonly ids: number[];
  readonly logProbabilities: number[];
  readonly finishReason: string;
  readonly usage: { readonly promptTokens: number; readonly newTokens: number };
}

/** By prompt; what comes after its end is an error. */
async function generate(request: object, options: object = {}): Promise<Made[]> {
  const made: { -readonly [K in keyof Made]: Made[K] }[] = [];
  for await (const message of inference.call['generate']!({ model, adapters, ...request }, options)) {
    const { prompt, ids, logProbabilities, finishReason, usage } = message as Made & { prompt: number };
    const own = (made[prompt] ??= { ids: [], logProbabilities: [], finishReason, usage });
    if (own.usage !== null) throw new Error(`prompt ${prompt} goes on after its end`);
    own.ids.push(...ids);
    own.logProbabilities.push(...logProbabilities);
    Object.assign(own, { finishReason, usage });
  }
  return made;
}

async function scores(prompt: object, ids: readonly number[], directory = fixture): Promise<number[]> {
  const { adapter: name } = prompt as { adapter?: string };
  const row = [...idsOf(prompt), ...ids];
  const request = {
    model: { path: directory },
    adapter: name && { path: join(directory, `adapter-${name}`) },
    rows: [{ ids: row }],
  };
  for await (const { logProbabilities } of inference.call['score']!(request))
    return (logProbabilities as number[]).slice(idsOf(prompt).length - 1);
  throw new Error('no score');
}

const options = { maxNewTokens: 24, ignoreEos: true, logProbabilities: true };

test('each row gets the text of its own adapter: its log-probabilities are those that Score gives it', async () => {
  const made = await generate({ prompts, options });
  expect(made).toHaveLength(4);
  for (const [i, prompt] of prompts.entries()) {
    const { ids, logProbabilities, finishReason, usage } = made[i]!;
    expect(ids).toHaveLength(24);
    expect(finishReason).toBe('FINISH_REASON_MAX_NEW_TOKENS');
    expect(usage).toEqual({ promptTokens: idsOf(prompt).length, newTokens: 24 });
    const expected = await scores(prompt, ids);
    logProbabilities.forEach((p, t) => expect(p).toBeCloseTo(expected[t]!, 4));
  }
  expect(made[1]!.logProbabilities).not.toEqual(made[2]!.logProbabilities);
});

test('a prompt alone gets what it gets among others, and draws depend on the seed only', async () => {
  const [alone] = await generate({ prompts: [prompts[2]], options });
  const drawing = { ...options, temperature: 1.2, topP: 0.95, seed: 5 };
  const [first, second] = [
    await generate({ prompts, options: drawing }),
    await generate({ prompts, options: drawing }),
  ];
  const other = await generate({ prompts, options: { ...drawing, seed: 6 } });
  expect((await generate({ prompts, options }))[2]!.ids).toEqual(alone!.ids);
  expect(second.map(({ ids }) => ids)).toEqual(first.map(({ ids }) => ids));
  expect(other.map(({ ids }) => ids)).not.toEqual(first.map(({ ids }) => ids));
});

/** Processes of this mesh that hold the fixture's weights mapped. */
const holders = (): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const ours = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`EMLOC_HOME=${mesh.home}`);
      return ours && readFileSync(`/proc/${pid}/maps`, 'utf8').includes(join(fixture, 'model.safetensors'));
    } catch {
      return false;
    }
  });

test('a turn that goes on from an earlier call is what Score says of it, and of its own adapter', async () => {
  const opening = { ...tokens(...long), adapter: 'corrected' };
  const [first] = await generate({ prompts: [opening], options: { maxNewTokens: 6, ignoreEos: true } });
  const turn = tokens(...long, ...first!.ids, 17, 90, 4);
  for (const name of ['corrected', 'uncorrected', undefined]) {
    const prompt = { ...turn, ...(name && { adapter: name }) };
    const [made] = await generate({
      prompts: [prompt],
      options: { maxNewTokens: 6, ignoreEos: true, logProbabilities: true },
    });
    const expected = await scores(prompt, made!.ids);
    made!.logProbabilities.forEach((p, i) => expect(p).toBeCloseTo(expected[i]!, 4));
  }
});

test('the model stays loaded between calls, in one process, whatever adapter they ask for', async () => {
  await generate({ prompts: [prompts[0]], options });
  const before = holders();
  expect(before).toHaveLength(1);
  await generate({ prompts: [prompts[2]], options: { ...options, temperature: 2 } });
  expect(holders()).toEqual(before);
});

test('a call that is cancelled ends, and its process answers the next', async () => {
  const [before] = holders();
  const stop = new AbortController();
  const endless = (async () => {
    const request = { model, prompts: [tokens(1)], options: { maxNewTokens: 250, ignoreEos: true } };
    for await (const _ of inference.call['generate']!(request, { signal: stop.signal })) stop.abort();
  })();
  await expect(endless).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(await generate({ prompts: [prompts[1]], options })).toHaveLength(1);
  expect(holders()).toEqual([before]);
});

test('the end of the context, and an end-of-text token, end a row', async () => {
  const full = Array.from({ length: 254 }, (_, t) => t % 200);
  const [made] = await generate({ prompts: [tokens(...full)], options });
  expect(made).toMatchObject({ finishReason: 'FINISH_REASON_CONTEXT_LENGTH', usage: { newTokens: 3 } });
  const directory = join(mesh.home, 'ends');
  cpSync(fixture, directory, { recursive: true });
  const [eos] = (await generate({ prompts: [prompts[1]], options }))[0]!.ids.slice(2);
  writeFileSync(join(directory, 'generation_config.json'), JSON.stringify({ eos_token_id: [2, eos] }));
  const [ended] = await generate({
    model: { path: directory },
    prompts: [prompts[1]],
    options: { maxNewTokens: 24 },
  });
  expect(ended).toMatchObject({ finishReason: 'FINISH_REASON_END_OF_TEXT' });
  expect(ended!.ids.at(-1)).toBe(eos);
  expect(ended!.ids.length).toBeLessThanOrEqual(3);
});

/** Its weights come in × out, or are in part experts that see only some rows: adapters there are mixed in another way. */
test.each(['tiny-gpt2', 'tiny-qwen3-moe'])(
  'on %s, too, each row gets the text of its own adapter',
  async (name) => {
    const directory = join(mesh.home, name);
    cpSync(join(fixture, '..', name), directory, { recursive: true });
    const named = ['corrected', 'uncorrected'].map((adapter) => ({
      name: adapter,
      source: { path: join(directory, `adapter-${adapter}`) },
    }));
    const some = prompts.map(({ adapter }, i) => ({ ...tokens(3, 50 + i, 9), adapter }));
    const made = await generate({ model: { path: directory }, adapters: named, prompts: some, options });
    for (const [i, prompt] of some.entries()) {
      const expected = await scores(prompt, made[i]!.ids, directory);
      made[i]!.logProbabilities.forEach((p, t) => expect(p).toBeCloseTo(expected[t]!, 4));
    }
  },
);

function otherShapes(): string {
  const directory = join(mesh.home, 'other-shapes');
  cpSync(join(fixture, 'adapter-corrected'), directory, { recursive: true });
  const file = join(directory, 'adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, r: 8 }));
  return directory;
}

test.each<[string, () => object, object]>([
  [
    'an unknown adapter',
    () => ({ prompts: [{ ...tokens(1), adapter: 'x' }] }),
    { reason: 'UNKNOWN_ADAPTER', value: 'x' },
  ],
  [
    'an adapter of other shapes',
    () => ({
      adapters: [{ name: 'a', source: { path: otherShapes() } }],
      prompts: [{ ...tokens(1), adapter: 'a' }],
    }),
    { reason: 'ADAPTER_MISMATCH' },
  ],
  [
    'a prompt longer than the model',
    () => ({ prompts: [tokens(1), tokens(...new Array<number>(257).fill(1))] }),
    { reason: 'PROMPT_LENGTH', field: 'prompts[1].tokens', value: '257' },
  ],
  ['no tokens', () => ({ prompts: [tokens()] }), { reason: 'PROMPT_LENGTH', value: '0' }],
  [
    'an id beyond the vocabulary',
    () => ({ prompts: [tokens(256)] }),
    { reason: 'TOKEN_OUT_OF_RANGE', value: '256' },
  ],
  [
    'a text without a tokenizer',
    () => ({ prompts: [{ text: 'a' }] }),
    { reason: 'NO_TOKENIZER', field: 'prompts[0].text' },
  ],
  [
    'a stop string without a tokenizer',
    () => ({ prompts: [tokens(1)], options: { stop: ['a'] } }),
    { reason: 'NO_TOKENIZER', field: 'options.stop' },
  ],
  [
    'a temperature below 0',
    () => ({ prompts: [tokens(1)], options: { temperature: -1 } }),
    { field: 'options.temperature', value: '-1' },
  ],
  [
    'a budget that is too small',
    () => ({ prompts: [tokens(1)], memoryBudgetBytes: 1000 }),
    { reason: 'MEMORY_BUDGET_EXCEEDED', field: 'memory_budget_bytes' },
  ],
  [
    'an emulator that is none',
    () => ({ model: undefined, emulator: model, prompts: [tokens(1)] }),
    { reason: 'NOT_AN_EMULATOR' },
  ],
])('%s is refused with its reason', async (_, request, error) => {
  await expect(generate(request())).rejects.toMatchObject({ mend: expect.any(String), ...error });
});
