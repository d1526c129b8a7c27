/** Lists of jobs, operations and artifacts: filters, pages, resource names, and what is refused. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobClient } from './support/jobs.ts';
import { StageClient, type Methods } from './support/operations.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

interface ListedArtifact {
  readonly name: string;
  readonly artifact: { readonly digest: string };
}
type Item = Readonly<Record<string, string>>;

let mesh: TestMesh;
let jobs: JobClient;
let training: StageClient;
let artifacts: Methods;
beforeAll(async () => {
  mesh = await TestMesh.start();
  jobs = new JobClient(mesh);
  training = new StageClient(mesh, 'training');
  artifacts = mesh.client<Methods>('coordinator', 'emloc.artifact.v1', 'ArtifactService').call;
});
afterAll(() => mesh.stop());

const ids = (items: readonly Item[]): (string | undefined)[] => items.map(({ id }) => id);
const train = (operationId: string, maxSteps: number, learningRate: number) => ({
  operationId,
  model: { path: fixture },
  dataset: { source: { path: join(fixture, 'train.jsonl') } },
  lora: { r: 4 },
  options: { maxSteps, learningRate, batchSize: 2, gradientAccumulationSteps: 1 },
});

test('operations are filtered by id, kind, state and time, a page at a time', async () => {
  const list = (request: object): Promise<{ operations: Item[]; nextPageToken: string }> =>
    training.operations['listOperations']!(request);
  for (const id of ['filter-1', 'filter-2']) await training.run('startTraining', train(id, 1, 1e-3));
  await training.call['startTraining']!(train('filter-long', 1_000_000, 1e-6));
  await training.operations['pauseOperation']!({ id: 'operations/filter-long' });
  await training.wait('filter-long');

  expect(ids((await list({ filter: 'state = SUCCEEDED' })).operations)).toEqual(['filter-2', 'filter-1']);
  expect(ids((await list({ filter: 'kind = train AND NOT id = *-1' })).operations)).toEqual([
    'filter-long',
    'filter-2',
  ]);
  expect((await list({ filter: 'kind = merge' })).operations).toEqual([]);
  expect((await list({ filter: 'create_time < 2020-01-01T00:00:00Z' })).operations).toEqual([]);
  const first = await list({ pageSize: 1, filter: 'state = SUCCEEDED OR state = OPERATION_STATE_PAUSED' });
  expect(ids(first.operations)).toEqual(['filter-long']);
  const rest = await list({
    pageSize: 1000,
    filter: 'state = SUCCEEDED OR state = OPERATION_STATE_PAUSED',
    pageToken: first.nextPageToken,
  });
  expect(ids(rest.operations)).toEqual(['filter-2', 'filter-1']);
  expect(rest.nextPageToken).toBe('');
  await expect(list({ pageToken: first.nextPageToken })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'PAGE_TOKEN_INVALID',
    field: 'page_token',
  });
  await expect(list({ filter: 'state = DONE' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'BAD_FILTER',
    field: 'filter',
  });
  await expect(list({ pageSize: -1 })).rejects.toMatchObject({ field: 'page_size' });
  await expect(list({ state: 77 })).rejects.toMatchObject({ reason: 'BAD_FIELD', field: 'state' });
});

test('an operation is told and found by its resource name', async () => {
  const { operation } = await training.operations['getOperation']!({ id: 'operations/filter-1' });
  expect(operation).toMatchObject({ id: 'filter-1', name: 'operations/filter-1' });
  await expect(training.operations['getOperation']!({ id: 'fineTuneJobs/filter-1' })).rejects.toMatchObject({
    reason: 'OPERATION_ID_INVALID',
  });
  await training.operations['deleteOperation']!({ id: 'operations/filter-1' });
  await expect(training.operations['getOperation']!({ id: 'filter-1' })).rejects.toMatchObject({
    reason: 'OPERATION_NOT_FOUND',
  });
});

test('jobs are filtered, pages are full although others lie between, and names are taken for ids', async () => {
  const list = (request: object): Promise<{ jobs: Item[]; nextPageToken: string }> =>
    jobs.call['listFineTuneJobs']!(request);
  const outside = { model: { path: '/etc' }, dataset: { source: { path: join(fixture, 'train.jsonl') } } };
  for (const id of ['red-1', 'blue-1', 'red-2', 'blue-2', 'red-3']) {
    await jobs.create(id, outside);
    expect((await jobs.wait(id)).status.state).toBe('JOB_STATE_FAILED');
  }
  expect(ids((await list({ filter: 'id = red-* AND state = FAILED' })).jobs)).toEqual([
    'red-3',
    'red-2',
    'red-1',
  ]);
  const first = await list({ filter: 'id = red-*', pageSize: 2 });
  expect(ids(first.jobs)).toEqual(['red-3', 'red-2']);
  const last = await list({ filter: 'id = red-*', pageSize: 2, pageToken: first.nextPageToken });
  expect(ids(last.jobs)).toEqual(['red-1']);
  expect(last.nextPageToken).toBe('');
  expect((await list({ state: 'JOB_STATE_RUNNING' })).jobs).toEqual([]);
  expect(ids((await list({ state: 'JOB_STATE_FAILED', filter: 'NOT id = red-*' })).jobs)).toEqual([
    'blue-2',
    'blue-1',
  ]);
  await expect(list({ filter: 'colour = red' })).rejects.toMatchObject({
    reason: 'BAD_FILTER',
    mend: expect.stringContaining('fields: id, state, create_time, update_time'),
  });
  await expect(list({ pageToken: 'made-up' })).rejects.toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  const { job } = await jobs.call['getFineTuneJob']!({ id: 'fineTuneJobs/red-1' });
  expect(job).toMatchObject({ id: 'red-1', name: 'fineTuneJobs/red-1' });
});

test('artifacts are listed by digest, filtered by kind and size, and found by name', async () => {
  const list = (request: object): Promise<{ artifacts: ListedArtifact[]; nextPageToken: string }> =>
    artifacts['listArtifacts']!(request);
  const upload = async (bytes: number): Promise<string> => {
    const steps = [
      { header: { kind: 'ARTIFACT_KIND_FILE' } },
      { file: { path: 'f', byteSize: bytes } },
      { chunk: Buffer.alloc(bytes, 7) },
    ];
    return (await artifacts['uploadArtifact']!(steps)).artifact.digest;
  };
  const digests = [await upload(1001), await upload(1002), await upload(1003)].sort();
  const filter = 'kind = FILE AND byte_size > 1000 AND byte_size < 1004';
  const digestsOf = (page: { artifacts: ListedArtifact[] }): string[] =>
    page.artifacts.map(({ artifact }) => artifact.digest);
  const first = await list({ filter, pageSize: 2 });
  expect(digestsOf(first)).toEqual(digests.slice(0, 2));
  const last = await list({ filter, pageSize: 2, pageToken: first.nextPageToken });
  expect(digestsOf(last)).toEqual(digests.slice(2));
  expect(last.nextPageToken).toBe('');
  expect(first.artifacts[0]).toMatchObject({ name: `artifacts/${digests[0]}`, kind: 'ARTIFACT_KIND_FILE' });
  // What the trainings above made are directories.
  expect((await list({ filter: 'kind = DIRECTORY' })).artifacts.length).toBeGreaterThan(0);
  expect((await artifacts['getArtifact']!({ digest: `artifacts/${digests[0]}` })).artifact.digest).toBe(
    digests[0],
  );
  await expect(list({ filter: 'byte_size > many' })).rejects.toMatchObject({ reason: 'BAD_FILTER' });
  await expect(artifacts['getArtifact']!({ digest: `sha256:${'0'.repeat(64)}` })).rejects.toMatchObject({
    reason: 'ARTIFACT_NOT_FOUND',
  });
});
