/** The whole job on tiny-llama, through a mesh that the command starts and stops itself. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, Workplace } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

const work = new Workplace();
const data = work.path('train.jsonl');
const tuned = work.path('tuned');
const options = [
  '--model',
  tinyLlama,
  '--data',
  data,
  '--max-steps',
  '8',
  '--lora-r',
  '4',
  '--lora-alpha',
  '4',
];

beforeAll(() => writeTrainingData(data));
afterAll(() => work.dispose());

interface JobResult {
  readonly job: string;
  readonly chosen: string;
  readonly candidates: readonly { readonly name: string; readonly loss: number }[];
  readonly stages: readonly { readonly name: string; readonly state: string; readonly peak_bytes?: number }[];
}
let result: JobResult;

test('a job gives the adapter, the uncorrected adapter and a report, and leaves no process', async () => {
  result = await work.json<JobResult>(
    'finetune',
    ...options,
    '--ratio',
    '0.5',
    '--output',
    tuned,
    '--id',
    'first',
  );
  expect(result.job).toBe('first');
  expect(readdirSync(tuned).sort()).toEqual(['adapter', 'adapter-uncorrected', 'report.json']);
  for (const name of ['adapter', 'adapter-uncorrected']) {
    expect(readdirSync(join(tuned, name)).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
  }
  expect(JSON.parse(readFileSync(join(tuned, 'report.json'), 'utf8'))).toBeTypeOf('object');
  await work.quiet();
  expect(existsSync(join(work.home, 'mesh.json'))).toBe(false);
});

test('the chosen candidate is never worse on the held-out rows than the uncorrected adapter', () => {
  const lossOf = (name: string): number =>
    result.candidates.find((candidate) => candidate.name === name)?.loss ?? Number.NaN;
  expect(lossOf(result.chosen)).toBeLessThanOrEqual(lossOf('none'));
  expect(lossOf(result.chosen)).toBe(Math.min(...result.candidates.map(({ loss }) => loss)));
});

test('every stage that worked tells its peak memory', () => {
  const worked = result.stages.filter(
    ({ name, state }) => state === 'succeeded' && !['plan', 'report'].includes(name),
  );
  expect(worked.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['compress', 'train', 'correct', 'refine']),
  );
  for (const { name, peak_bytes } of worked) if (name !== 'select') expect(peak_bytes).toBeGreaterThan(1e7);
});

test('the job is known afterwards, its result can be fetched again, and it can be forgotten', async () => {
  const { jobs } = await work.json<{ jobs: { id: string; state: string }[] }>('jobs', 'list');
  expect(jobs).toMatchObject([{ id: 'first', state: 'succeeded' }]);
  expect(await work.json('jobs', 'get', 'first')).toMatchObject({ id: 'first', chosen: result.chosen });
  await work.json('jobs', 'resume', 'first', '--output', work.path('again'));
  expect(readFileSync(work.path('again', 'report.json'))).toEqual(readFileSync(join(tuned, 'report.json')));
  expect((await work.run('jobs', 'delete', 'first')).code).toBe(0);
  const gone = await work.run('jobs', 'get', 'first');
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain('first');
});

interface LogLine {
  readonly stage: string;
  readonly step: number;
  readonly loss: number;
  readonly learning_rate: number;
}
const linesOf = (path: string): LogLine[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine);

test('--log and --adapter-init: every step of both stages, from an adapter that was trained before', async () => {
  const init = join(tuned, 'adapter');
  const log = work.path('log.jsonl');
  const command = ['finetune', ...options.slice(0, -4), '--adapter-init', init];
  const { stderr } = await work.succeed(...command, '--output', work.path('further'), '--log', log);
  expect(stderr).toMatch(/^plan {2}makes tokens of every row$/m);
  const lines = linesOf(log);
  expect(lines.map(({ stage, step }) => `${stage} ${step}`)).toEqual(
    ['train', 'refine'].flatMap((stage) => [1, 2, 3, 4].map((step) => `${stage} ${step}`)),
  );
  expect(Object.keys(lines[0] ?? {})).toEqual([
    ...['stage', 'step', 'loss', 'grad_norm', 'learning_rate', 'tokens'],
  ]);
  // r and alpha are the adapter's, although their options' defaults are others.
  const config = JSON.parse(readFileSync(work.path('further', 'adapter', 'adapter_config.json'), 'utf8'));
  expect(config).toMatchObject({ r: 4, lora_alpha: 4 });

  // Through a server, which gets the adapter and gives the log, with the same result; anew, what starts from zero has another.
  const down = await work.up();
  const { addresses } = JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8')) as {
    addresses: { coordinator: string };
  };
  const far = work.path('far.jsonl');
  const server = ['--server', addresses.coordinator];
  await work.succeed(...command, '--output', work.path('far'), '--log', far, ...server);
  expect(readFileSync(far)).toEqual(readFileSync(log));
  const zero = work.path('zero.jsonl');
  await work.succeed('finetune', ...options, '--output', work.path('zero'), '--log', zero);
  expect(linesOf(zero)[0]?.loss).toBeGreaterThan(lines[0]?.loss ?? Infinity);
  await down();
});

test.each([
  ['--ratio', '1'],
  ['--refine-steps', 'all'],
])('%s %s trains on the original alone, without an emulator', async (option, value) => {
  const output = work.path(`exact${option}`);
  const { stages } = await work.json<JobResult>(
    ...['finetune', ...options, option, value, '--output', output],
  );
  const stateOf = (name: string): string | undefined => stages.find((stage) => stage.name === name)?.state;
  expect([stateOf('compress'), stateOf('correct'), stateOf('train')]).toEqual([
    'skipped',
    'skipped',
    'succeeded',
  ]);
});
