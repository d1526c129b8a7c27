/** Whole jobs through the coordinator: what comes out, and what happens when processes die, pause and come back. */
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTelemetry, withSpan } from '@emloc/mesh';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deltaOf } from './support/adapters.ts';
import { errorOf, JobClient, stepOf, trainsIn, type JobMessage } from './support/jobs.ts';
import { StageClient, type Methods } from './support/operations.ts';
import { fixture, repository, TestMesh } from './support/test-mesh.ts';
import { orphans, spansOf } from './support/traces.ts';

let mesh: TestMesh;
let jobs: JobClient;
let artifacts: Methods;

beforeAll(async () => {
  mesh = await TestMesh.start();
  jobs = new JobClient(mesh);
  artifacts = mesh.client<Methods>('coordinator', 'emloc.artifact.v1', 'ArtifactService').call;
});
afterAll(() => mesh?.stop());

/** `seed` makes one job's work another's not: results are found by their inputs. */
const specOf = (seed: number, maxSteps: number, more: object = {}): object => ({
  model: { path: fixture },
  dataset: { source: { path: join(fixture, 'train.jsonl') } },
  lora: { r: 4, loraAlpha: 4, targetModules: ['q_proj', 'v_proj'] },
  training: { maxSteps, learningRate: 2e-3, batchSize: 2, gradientAccumulationSteps: 2, seed, saveSteps: 5 },
  ...more,
});

const stagesOf = (job: JobMessage): Record<string, string> =>
  Object.fromEntries(job.status.stages.map(({ name, state }) => [name, state.replace('JOB_STATE_', '')]));

const every = (state: string): object =>
  Object.fromEntries(
    ['plan', 'compress', 'train', 'correct', 'refine', 'select', 'evaluate', 'report'].map((name) => [
      name,
      state,
    ]),
  );

const expectSucceeded = (job: JobMessage): void => {
  expect({ state: job.status.state, error: errorOf(job) }).toEqual({
    state: 'JOB_STATE_SUCCEEDED',
    error: undefined,
  });
};

/** Long enough to be caught in the middle. */
const manySteps = 120;

test('a job ends with the best adapter and a valid report, in one trace over all processes', async () => {
  await startTelemetry({ service: 'test', env: { EMLOC_TRACE_FILE: mesh.traceDir } });
  const traceId = await withSpan('test', {}, async (span) => {
    await jobs.create('whole', specOf(1, 12, { exactMatch: true }));
    await jobs.events('whole');
    return span.traceId;
  });
  const job = await jobs.get('whole');
  expectSucceeded(job);
  expect(stagesOf(job)).toEqual(every('SUCCEEDED'));

  const { adapter, adapterUncorrected, report, chosen, candidates } = job.status.result!;
  const losses = candidates.map(({ loss }: { loss: number }) => loss);
  expect(new Set(candidates.map(({ rows }: { rows: number }) => rows))).toEqual(new Set([2]));
  expect(candidates.filter((each: { chosen: boolean }) => each.chosen)).toEqual([
    expect.objectContaining({ name: chosen, loss: Math.min(...losses) }),
  ]);
  for (const { uri } of [adapter, adapterUncorrected]) {
    expect(deltaOf(uri, 'model.layers.3.self_attn.v_proj').values.some((value) => value !== 0)).toBe(true);
  }

  const schema = JSON.parse(readFileSync(join(repository, 'docs/report.schema.json'), 'utf8')) as object;
  const validate = new Ajv2020({ allErrors: true }).compile(schema);
  const written = JSON.parse(readFileSync(report.uri, 'utf8'));
  validate(written);
  expect(validate.errors).toBeNull();
  expect(written.resolved).toMatchObject({ emulatorSteps: 6, exactSteps: 6 });
  const measured = written.stages.filter(({ name }: { name: string }) => name !== 'plan');
  for (const stage of measured) expect(stage.peakResidentBytes).toBeGreaterThan(100e6);

  await expect.poll(() => orphans(spansOf(mesh.traceDir, traceId)), { timeout: 20_000 }).toEqual([]);
  const spans = spansOf(mesh.traceDir, traceId);
  const services = [
    'test',
    'coordinator',
    'calibration',
    'compression',
    'training',
    'correction',
    'inference',
  ];
  expect([...new Set(spans.map(({ service }) => service))].sort()).toEqual(services.sort());
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
  expect(roots.map(({ name }) => name)).toEqual(['test']);
  for (const work of ['stream-grams', 'compress', 'train', 'correct', 'evaluate']) {
    expect(spans.map(({ name }) => name)).toContain(`operation ${work}`);
  }
});

test('artifacts are downloaded and uploaded by digest, and damage is noticed', async () => {
  const { adapter } = (await jobs.get('whole')).status.result!;
  const described = await artifacts['getArtifact']!({ digest: adapter.digest });
  expect(described).toMatchObject({ kind: 'ARTIFACT_KIND_DIRECTORY', artifact: adapter });
  const files = new Map<string, Buffer>();
  let path = '';
  for await (const step of artifacts['downloadArtifact']!({ digest: adapter.digest })) {
    if (step.file) files.set((path = step.file.path), Buffer.alloc(0));
    else files.set(path, Buffer.concat([files.get(path)!, step.chunk]));
  }
  expect([...files.keys()]).toEqual(readdirSync(adapter.uri).sort());
  for (const [name, bytes] of files) expect(bytes.equals(readFileSync(join(adapter.uri, name)))).toBe(true);

  const bytes = Buffer.from('{"input_ids":[1,2,3]}\n');
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const upload = async (sent: Buffer): Promise<{ artifact: { uri: string } }> =>
    artifacts['uploadArtifact']!(
      (async function* () {
        yield { header: { digest, kind: 'ARTIFACT_KIND_FILE' } };
        yield { file: { path: 'rows.jsonl', byteSize: sent.length } };
        yield { chunk: sent };
      })(),
    );
  await expect(upload(Buffer.from('{"input_ids":[1,2,4]}\n'))).rejects.toMatchObject({ code: 'DATA_LOSS' });
  await expect(artifacts['getArtifact']!({ digest })).rejects.toMatchObject({ reason: 'ARTIFACT_NOT_FOUND' });
  const { artifact } = await upload(bytes);
  expect(artifact).toMatchObject({ digest, byteSize: bytes.length });
  expect((await upload(bytes)).artifact).toMatchObject({ digest });

  chmodSync(artifact.uri, 0o600);
  writeFileSync(artifact.uri, '{"input_ids":[1,2,4]}\n');
  const read = async (): Promise<void> => {
    for await (const _ of artifacts['downloadArtifact']!({ digest }));
  };
  await expect(read()).rejects.toMatchObject({
    code: 'DATA_LOSS',
    reason: 'ARTIFACT_DAMAGED',
    value: digest,
  });
  rmSync(artifact.uri);
  expect((await upload(bytes)).artifact).toMatchObject({ digest });
});

test('the same id is the same job; another specification under it is refused', async () => {
  const again = await jobs.create('whole', specOf(1, 12, { exactMatch: true }));
  expect(again.status.state).toBe('JOB_STATE_SUCCEEDED');
  await expect(jobs.create('whole', specOf(1, 13))).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    reason: 'JOB_ID_REUSED',
  });
});

test('a job outlives its coordinator and a service, without doing finished stages again', async () => {
  // Away when compression wants its Grams, and back a moment later.
  await mesh.kill('calibration');
  await jobs.create('killed', specOf(2, manySteps));
  await jobs.events('killed', 0, ({ stageEvent }) => stageEvent?.event['event'] === 'notice');
  await mesh.startService('calibration');
  const before = await jobs.events('killed', 0, trainsIn('train'));
  await mesh.kill('coordinator');
  await mesh.startService('coordinator');
  const between = await jobs.events('killed', before.length, stepOf('refine', 20));
  const rest = jobs.events('killed', before.length + between.length);
  await mesh.kill('training');
  await mesh.startService('training');
  const all = [...before, ...between, ...(await rest)];
  expectSucceeded(await jobs.get('killed'));

  expect(all.map(({ cursor }) => cursor)).toEqual(all.map((_, i) => i + 1));
  const attemptOf = async (id: string): Promise<number> =>
    (await new StageClient(mesh, 'training').operations['getOperation']!({ id })).operation.attempt;
  const compressed = all.filter(
    ({ stageEvent }) => stageEvent?.event['stateChanged']?.state === 'OPERATION_STATE_SUCCEEDED',
  );
  expect(compressed.filter(({ stageEvent }) => stageEvent?.stage === 'compress')).toHaveLength(1);
  expect(await attemptOf('killed-train')).toBe(1);
  expect(await attemptOf('killed-refine')).toBe(2);
  const stepsIn = (stage: string): number[] =>
    all.filter(trainsIn(stage)).map(({ stageEvent }) => stageEvent!.event['trainingStep'].step);
  expect(stepsIn('train')).toEqual(Array.from({ length: manySteps / 2 }, (_, i) => i + 1));
  // From the last checkpoint, not from the beginning.
  const refined = stepsIn('refine');
  expect(new Set(refined).size).toBe(manySteps / 2);
  expect(refined.length).toBeLessThan(manySteps / 2 + 10);
});

test('a job goes on when a process of it is killed, from the checkpoint, and says so in its events', async () => {
  await jobs.create('wounded', specOf(4, manySteps, { refineSteps: 0 }));
  await jobs.events('wounded', 0, stepOf('train', 12));
  const pid = mesh.workerPid('wounded-train')!;
  process.kill(pid, 'SIGKILL');
  const events = await jobs.events('wounded');
  expectSucceeded(await jobs.get('wounded'));
  const again = events.flatMap(({ stageEvent }) => {
    const { stateChanged, attempt } = stageEvent?.event ?? {};
    return stateChanged?.error ? [{ stage: stageEvent!.stage, state: stateChanged.state, attempt }] : [];
  });
  expect(again).toEqual([{ stage: 'train', state: 'OPERATION_STATE_QUEUED', attempt: 1 }]);
  const steps = events.filter(trainsIn('train')).map((e) => e.stageEvent!.event['trainingStep'].step);
  expect(new Set(steps).size).toBe(manySteps);
  expect(steps.filter((step) => step === 1)).toHaveLength(1);
});

test('a process that is killed again and again ends the job with a reason, and a resume ends it well', async () => {
  const training = { maxSteps: 60, seed: 14, batchSize: 2, saveSteps: 0 };
  await jobs.create('doomed', { ...specOf(14, 60, { refineSteps: 0 }), training });
  const killed = new Set<number>();
  while (killed.size < 3) {
    const seen = await jobs.events('doomed', 0, (event) => trainsIn('train')(event) && isNew(event));
    expect(seen.length).toBeGreaterThan(0);
    const pid = mesh.workerPid('doomed-train')!;
    killed.add(pid);
    process.kill(pid, 'SIGKILL');
  }
  function isNew({ stageEvent }: { stageEvent?: { event: Record<string, unknown> } }): boolean {
    return stageEvent?.event['attempt'] === killed.size + 1;
  }
  const failed = await jobs.wait('doomed');
  expect(failed.status.state).toBe('JOB_STATE_FAILED');
  expect(errorOf(failed)).toMatchObject({ reason: 'OUT_OF_MEMORY' });
  expect(stagesOf(failed)).toMatchObject({ compress: 'SUCCEEDED', train: 'FAILED', correct: 'QUEUED' });
  await jobs.call['resumeFineTuneJob']!({ id: 'doomed' });
  expectSucceeded(await jobs.wait('doomed'));
});

test('a paused job stays paused over a restart, goes on when resumed, and can be cancelled and deleted', async () => {
  await jobs.create('paused', specOf(5, manySteps));
  await jobs.events('paused', 0, trainsIn('train'));
  await jobs.call['pauseFineTuneJob']!({ id: 'paused' });
  const paused = await jobs.wait('paused');
  expect(paused.status.state).toBe('JOB_STATE_PAUSED');
  expect(stagesOf(paused)).toMatchObject({ compress: 'SUCCEEDED', train: 'PAUSED' });
  await mesh.stopService('coordinator');
  await mesh.startService('coordinator');
  expect((await jobs.get('paused')).status.state).toBe('JOB_STATE_PAUSED');
  await jobs.call['resumeFineTuneJob']!({ id: 'paused' });
  const after = await jobs.events('paused', paused.status.cursor, trainsIn('train'));
  expect(after.find(trainsIn('train'))!.stageEvent!.event['trainingStep'].step).toBeGreaterThan(1);

  await expect(jobs.call['deleteFineTuneJob']!({ id: 'paused' })).rejects.toMatchObject({
    reason: 'JOB_ACTIVE',
  });
  await jobs.call['cancelFineTuneJob']!({ id: 'paused' });
  expect((await jobs.wait('paused')).status.state).toBe('JOB_STATE_CANCELLED');
  await jobs.call['deleteFineTuneJob']!({ id: 'paused' });
  await expect(jobs.get('paused')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
  await expect(
    new StageClient(mesh, 'training').operations['getOperation']!({ id: 'paused-train' }),
  ).rejects.toMatchObject({ reason: 'OPERATION_NOT_FOUND' });
});

test('ratio 1 trains on the original alone, and a job that waits can be paused', async () => {
  await jobs.create('exact', specOf(6, 6, { compression: { ratio: 1 } }));
  await jobs.create('waiting', specOf(7, 6));
  await jobs.call['pauseFineTuneJob']!({ id: 'waiting' });
  expect((await jobs.wait('waiting')).status.state).toBe('JOB_STATE_PAUSED');
  const job = await jobs.wait('exact');
  expectSucceeded(job);
  expect(stagesOf(job)).toEqual({
    ...every('SUCCEEDED'),
    compress: 'SKIPPED',
    correct: 'SKIPPED',
    refine: 'SKIPPED',
    evaluate: 'SKIPPED',
  });
  const list = await jobs.call['listFineTuneJobs']!({ pageSize: 2 });
  expect(list.jobs.map(({ id }: JobMessage) => id)).toEqual(['waiting', 'exact']);
  const next = await jobs.call['listFineTuneJobs']!({ pageSize: 10, pageToken: list.nextPageToken });
  expect(next.jobs.map(({ id }: JobMessage) => id)).toEqual(['doomed', 'wounded', 'killed', 'whole']);
});

test('bad specifications are refused before a job exists, bad data when it is planned', async () => {
  await expect(jobs.create('bad', specOf(8, 6, { compression: { ratio: 1.5 } }))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field: 'spec.compression.ratio',
    value: '1.5',
  });
  await expect(jobs.create('bad', specOf(8, 6, { refineSteps: 7 }))).rejects.toMatchObject({
    field: 'spec.refine_steps',
  });
  await expect(jobs.create('bad/id', specOf(8, 6))).rejects.toMatchObject({ field: 'id' });
  await expect(jobs.get('bad')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
  await jobs.create('bad', specOf(8, 6, { model: { path: '/etc' } }));
  const outside = await jobs.wait('bad');
  expect(outside.status.state).toBe('JOB_STATE_FAILED');
  expect(errorOf(outside)).toMatchObject({ reason: 'PATH_OUTSIDE_ROOTS', field: 'model.path' });
  // The fixture's adapter has rank 4: seen before anything is compressed.
  const misfit = {
    ...(specOf(8, 6) as { lora: object }),
    adapterInit: { path: join(fixture, 'adapter-uncorrected') },
    lora: { r: 8 },
  };
  await jobs.create('misfit', misfit);
  const refused = await jobs.wait('misfit');
  expect(errorOf(refused)).toMatchObject({ reason: 'ADAPTER_MISMATCH', field: 'lora_r' });
  expect(stagesOf(refused)).toMatchObject({ plan: 'FAILED', compress: 'QUEUED' });
  await jobs.create('tight', specOf(9, 6, { memoryBudgetBytes: 50_000_000 }));
  const tight = await jobs.wait('tight');
  expect(errorOf(tight)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'MEMORY_BUDGET_EXCEEDED' });
});
