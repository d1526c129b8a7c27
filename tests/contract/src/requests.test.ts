/** What services refuse, and what can be done with an operation besides waiting for it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StageClient } from './support/operations.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

let mesh: TestMesh;
let training: StageClient;
let calibration: StageClient;
let compression: StageClient;
let inference: StageClient;

beforeAll(async () => {
  mesh = await TestMesh.start(['calibration', 'compression', 'training', 'inference']);
  training = new StageClient(mesh, 'training');
  calibration = new StageClient(mesh, 'calibration');
  compression = new StageClient(mesh, 'compression');
  inference = new StageClient(mesh, 'inference');
});
afterAll(() => mesh?.stop());

const model = { path: fixture };
const rows = (name: string): object => ({ source: { path: join(fixture, name) } });

function write(name: string, text: string): object {
  const directory = join(mesh.home, 'data');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), text);
  return { source: { path: join(directory, name) } };
}

const trains = (
  more: object = {},
  options: object = {},
): { operationId: string } & Record<string, unknown> => ({
  operationId: 'x',
  model,
  dataset: rows('train.jsonl'),
  options: { maxSteps: 4000, batchSize: 2, gradientAccumulationSteps: 1, ...options },
  lora: { r: 2, targetModules: ['q_proj'] },
  ...more,
});

test.each<[string, object, object]>([
  ['no id', { operationId: '' }, { reason: 'FIELD_MISSING', field: 'operation_id' }],
  ['a bad id', { operationId: 'a/b' }, { code: 'INVALID_ARGUMENT' }],
  ['no model', { model: undefined }, { reason: 'FIELD_MISSING', field: 'model' }],
  [
    'a path outside',
    { model: { path: '/etc' } },
    { code: 'PERMISSION_DENIED', field: 'model.path', value: '/etc' },
  ],
  [
    'an unknown artifact',
    { dataset: { source: { artifact: { digest: `sha256:${'0'.repeat(64)}` } } } },
    { code: 'NOT_FOUND', field: 'dataset.source.artifact.digest' },
  ],
  ['a negative rate', { options: { learningRate: -1 } }, { field: 'options.learning_rate', value: '-1' }],
  ['no steps', { options: { maxSteps: 0 } }, { field: 'options.max_steps', value: '0' }],
  ['a rank of 0', { lora: { r: 0 } }, { field: 'lora.r', value: '0' }],
  ['full dropout', { lora: { loraDropout: 1 } }, { field: 'lora.lora_dropout' }],
  [
    'evaluations without rows',
    { options: { evalSteps: 5 } },
    { reason: 'FIELD_MISSING', field: 'eval_dataset' },
  ],
])('%s is refused before an operation exists', async (_, change, error) => {
  await expect(training.call['startTraining']!(trains(change))).rejects.toMatchObject({
    code: expect.stringMatching(/INVALID_ARGUMENT|PERMISSION_DENIED|NOT_FOUND/),
    mend: expect.any(String),
    ...error,
  });
  await expect(training.operations['getOperation']!({ id: 'x' })).rejects.toMatchObject({
    reason: 'OPERATION_NOT_FOUND',
  });
});

test('what only model and rows can tell is refused when it is planned, naming file and line', async () => {
  const plan = (change: object): Promise<object> =>
    training.call['planTraining']!({ model, dataset: rows('train.jsonl'), ...change });
  await expect(plan({})).resolves.toMatchObject({ rows: 20, totalSteps: 500, stepsPerEpoch: 3 });
  await expect(plan({ lora: { targetModules: ['qproj'] } })).rejects.toMatchObject({
    reason: 'TARGET_MATCHES_NOTHING',
  });
  await expect(plan({ model: { path: join(mesh.home) } })).rejects.toMatchObject({
    code: expect.any(String),
  });
  const bad = write('bad.jsonl', '{"input_ids":[1,2,3]}\n{"input_ids":[1,2,999]}\n');
  await expect(plan({ dataset: bad })).rejects.toMatchObject({
    field: expect.stringContaining('bad.jsonl:2'),
  });
  const text = write('text.jsonl', '{"text":"hello"}\n');
  await expect(plan({ dataset: text })).rejects.toMatchObject({ reason: 'NO_TOKENIZER' });
  await expect(plan({ dataset: write('empty.jsonl', '') })).rejects.toMatchObject({
    reason: 'EMPTY_DATASET',
  });
});

test('the format of a data set is told by its content or by the request, and plain text has to be said', async () => {
  const plan = (dataset: object): Promise<object> => training.call['planTraining']!({ model, dataset });
  const cells = '"[1, 2, 3]","[-100, 2, 3]"\n'.repeat(20);
  const named = write('rows.csv', `input_ids,labels\n${cells}`);
  const nameless = write('rows-of-no-name', `input_ids,labels\n${cells}`);
  for (const dataset of [named, nameless, { ...nameless, format: 'DATA_FORMAT_CSV' }])
    await expect(plan(dataset)).resolves.toMatchObject({ rows: 20, tokens: 60 });
  const other = write('other-columns', `ids,tags\n${cells}`);
  await expect(plan(other)).rejects.toMatchObject({ reason: 'UNKNOWN_FORMAT', field: 'dataset.format' });
  await expect(plan({ ...nameless, format: 'DATA_FORMAT_PARQUET' })).rejects.toMatchObject({
    reason: 'WRONG_FORMAT',
    field: 'dataset.format',
  });
  const text = write('text.txt', 'once upon a time');
  await expect(plan(text)).rejects.toMatchObject({ reason: 'NO_TOKENIZER' });
});

test('a budget that cannot hold a stage refuses it, and the first event says what it needs', async () => {
  const request = trains({ operationId: 'tight', memoryBudgetBytes: 1_000_000 });
  await expect(training.run('startTraining', request)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'MEMORY_BUDGET_EXCEEDED',
    field: 'memory_budget_bytes',
  });
  const events = await training.events('tight');
  const prediction = events.find(({ event }) => event === 'prediction')?.['prediction'];
  expect(prediction).toMatchObject({ budgetBytes: 1_000_000, peakResidentBytes: expect.any(Number) });
});

test('the same id is one operation, is cancelled within a moment, resumed, and deleted', async () => {
  const request = trains({ operationId: 'long' });
  await training.call['startTraining']!(request);
  const again = await training.call['startTraining']!(request);
  expect(again.operation.id).toBe('long');
  await expect(
    training.call['startTraining']!(trains({ operationId: 'long' }, { seed: 7 })),
  ).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    reason: 'OPERATION_ID_REUSED',
    field: 'operation_id',
  });
  for await (const { event } of training.operations['watchOperation']!({ id: 'long', afterCursor: 0 })) {
    if (event.event === 'trainingStep') break;
  }
  await expect(training.operations['deleteOperation']!({ id: 'long' })).rejects.toMatchObject({
    reason: 'OPERATION_ACTIVE',
  });
  await training.operations['cancelOperation']!({ id: 'long' });
  expect((await training.wait('long')).state).toBe('OPERATION_STATE_CANCELLED');
  await training.operations['resumeOperation']!({ id: 'long' });
  await training.operations['pauseOperation']!({ id: 'long' });
  const paused = await training.wait('long');
  expect(paused).toMatchObject({ state: 'OPERATION_STATE_PAUSED', kind: 'train' });
  const { operations } = await training.operations['listOperations']!({ state: 'OPERATION_STATE_PAUSED' });
  expect(operations.map(({ id }: { id: string }) => id)).toEqual(['long']);
  await training.operations['deleteOperation']!({ id: 'long' });
  await expect(training.operations['getOperation']!({ id: 'long' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a calibration whose reader goes away ends, and leaves nothing', async () => {
  const request = { model, options: { dataset: rows('calib.jsonl') } };
  for await (const _ of calibration.call['calibrate']!(request)) break;
  const running = async (): Promise<object[]> =>
    (await calibration.operations['listOperations']!({})).operations;
  await expect.poll(running, { timeout: 20_000 }).toEqual([]);
});

test("compression tells the calibration's own error, and that a service is not there", async () => {
  const start = (id: string, calibrationStream: object): object => ({
    operationId: id,
    model,
    options: { ratio: 0.5 },
    statistics: { calibration: calibrationStream },
  });
  const empty = { options: { dataset: write('nothing.jsonl', '') } };
  await expect(compression.run('startCompression', start('c1', empty) as never)).rejects.toMatchObject({
    reason: 'EMPTY_DATASET',
  });
  const nowhere = { addresses: ['127.0.0.1:9'], options: { dataset: rows('calib.jsonl') } };
  await expect(compression.run('startCompression', start('c2', nowhere) as never)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
  const twice = { addresses: ['a:1', 'a:1'], options: { dataset: rows('calib.jsonl') } };
  await expect(compression.run('startCompression', start('c3', twice) as never)).rejects.toMatchObject({
    field: 'statistics.calibration.addresses',
  });
  await expect(
    compression.call['startCompression']!({ operationId: 'c4', model, options: {} }),
  ).rejects.toMatchObject({
    field: 'options.ratio',
  });
});

test('scoring refuses ids beyond the vocabulary, and answers nobody who has left', async () => {
  const scores = async (request: object): Promise<void> => {
    for await (const _ of inference.call['score']!(request)) await sleep(0);
  };
  await expect(scores({ model, rows: [{ ids: [1, 256] }] })).rejects.toMatchObject({
    reason: 'TOKEN_OUT_OF_RANGE',
    field: 'rows[0]',
  });
  await expect(scores({ model, texts: ['hello'] })).rejects.toMatchObject({ reason: 'NO_TOKENIZER' });
  await expect(scores({ emulator: model, rows: [{ ids: [1] }] })).rejects.toMatchObject({
    reason: 'NOT_AN_EMULATOR',
  });
  await expect(scores({ model })).rejects.toMatchObject({ field: 'rows' });
});
