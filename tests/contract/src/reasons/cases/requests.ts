/** What is refused before any work: fields, paths, pages, lists. */
import { call, artifacts, inference, jobs, onOperation, training, type Call, type Case } from '../case.ts';
import { model, noArtifact, trainRows, type Files } from '../files.ts';

const score = (rows: object[]): Call => call(`${inference}/Score`, { model, rows });
const generate = (prompts: object[], more: object = {}): Call =>
  call(`${inference}/Generate`, { model, prompts, ...more });

export function requestCases(files: Files): Case[] {
  const trains = (more: object): Call =>
    call(`${training}/StartTraining`, {
      operationId: files.id('refused'),
      model,
      dataset: trainRows,
      ...more,
    });
  const creates = (spec: object): Call =>
    call(`${jobs}/CreateFineTuneJob`, {
      id: files.id('refused'),
      spec: { model, dataset: trainRows, ...spec },
    });
  const nowhere = `${files.folder()}/nothing`;
  const secret = files.rows('{"input_ids":[1,2]}\n', 'rows.jsonl');
  return [
    {
      reason: 'FIELD_MISSING',
      code: 'INVALID_ARGUMENT',
      field: 'spec.model',
      call: creates({ model: undefined }),
    },
    {
      reason: 'FIELD_MISSING',
      about: 'statistics',
      code: 'INVALID_ARGUMENT',
      field: 'statistics',
      call: call('emloc.compression.v1.CompressionService/StartCompression', {
        operationId: files.id('refused'),
        model,
        options: { ratio: 0.5 },
      }),
    },
    {
      reason: 'BAD_FIELD',
      code: 'INVALID_ARGUMENT',
      field: 'spec.training.max_steps',
      value: '0',
      call: creates({ training: { maxSteps: 0 } }),
    },
    {
      reason: 'BAD_FIELD',
      about: 'two that exclude each other',
      code: 'INVALID_ARGUMENT',
      field: 'spec.compression.ratios',
      call: creates({ compression: { ratio: 0.5, ratios: [{ pattern: '.*', ratio: 0.5 }] } }),
    },
    {
      reason: 'BAD_OPTION',
      code: 'INVALID_ARGUMENT',
      field: 'options.learning_rate',
      value: '-1',
      call: trains({ options: { learningRate: -1 } }),
    },
    {
      reason: 'BAD_PATTERN',
      code: 'INVALID_ARGUMENT',
      field: 'target_modules',
      value: '(',
      call: call(`${training}/PlanTraining`, {
        model,
        dataset: trainRows,
        lora: { targetModulesPattern: '(' },
      }),
    },
    {
      reason: 'BAD_FILTER',
      code: 'INVALID_ARGUMENT',
      field: 'filter',
      value: 'id ~ x',
      call: call(`${jobs}/ListFineTuneJobs`, { filter: 'id ~ x' }),
    },
    {
      reason: 'BAD_DIGEST',
      code: 'INVALID_ARGUMENT',
      field: 'digest',
      value: 'md5:1',
      call: call(`${artifacts}/GetArtifact`, { digest: 'md5:1' }),
    },
    {
      reason: 'BAD_PATH',
      code: 'INVALID_ARGUMENT',
      field: 'path',
      value: '../x',
      call: call(
        `${artifacts}/UploadArtifact`,
        { header: { kind: 'ARTIFACT_KIND_DIRECTORY' } },
        { file: { path: '../x', byteSize: 0 } },
      ),
    },
    {
      reason: 'PATH_NOT_ABSOLUTE',
      code: 'INVALID_ARGUMENT',
      field: 'model.path',
      value: 'models/x',
      call: trains({ model: { path: 'models/x' } }),
    },
    {
      reason: 'PATH_OUTSIDE_ROOTS',
      code: 'PERMISSION_DENIED',
      field: 'dataset.source.path',
      value: '/etc/hostname',
      call: trains({ dataset: { source: { path: '/etc/hostname' } } }),
    },
    {
      reason: 'FILE_NOT_FOUND',
      code: 'NOT_FOUND',
      field: 'model.path',
      value: nowhere,
      call: trains({ model: { path: nowhere } }),
    },
    {
      reason: 'FILE_NOT_ACCESSIBLE',
      code: 'PERMISSION_DENIED',
      field: null,
      value: secret.source.path,
      call: trains({ dataset: files.unreadable(secret) }),
      ...(process.getuid?.() === 0 ? { skip: 'this user (root) may read everything' } : {}),
    },
    {
      reason: 'PAGE_TOKEN_INVALID',
      code: 'INVALID_ARGUMENT',
      field: 'page_token',
      value: '?',
      call: call(`${jobs}/ListFineTuneJobs`, { pageToken: '?' }),
    },
    {
      reason: 'HEADERS_TOO_LARGE',
      code: 'RESOURCE_EXHAUSTED',
      field: 'metadata',
      call: { ...call(`${jobs}/ListFineTuneJobs`, {}), metadata: { 'x-much': 'x'.repeat(17_000) } },
    },
    {
      reason: 'UNKNOWN_ADAPTER',
      code: 'INVALID_ARGUMENT',
      field: 'prompts[0].adapter',
      value: 'mine',
      call: generate([{ tokens: { ids: [1] }, adapter: 'mine' }]),
    },
    {
      reason: 'PROMPT_LENGTH',
      code: 'INVALID_ARGUMENT',
      field: 'prompts[0].tokens',
      value: '0',
      call: generate([{ tokens: {} }]),
    },
    { reason: 'ROW_LENGTH', code: 'INVALID_ARGUMENT', field: 'rows[0]', value: '0', call: score([{}]) },
    {
      reason: 'TOKEN_OUT_OF_RANGE',
      code: 'INVALID_ARGUMENT',
      field: 'rows[1]',
      value: '256',
      call: score([{ ids: [1] }, { ids: [1, 256] }]),
    },
    {
      reason: 'MEMORY_BUDGET_EXCEEDED',
      code: 'RESOURCE_EXHAUSTED',
      field: 'memory_budget_bytes',
      value: '1000000',
      call: generate([{ tokens: { ids: [1] } }], { memoryBudgetBytes: 1_000_000 }),
    },
    {
      reason: 'ARTIFACT_NOT_FOUND',
      about: 'source',
      code: 'NOT_FOUND',
      field: 'dataset.source.artifact.digest',
      value: noArtifact,
      call: trains({ dataset: { source: { artifact: { digest: noArtifact } } } }),
    },
    {
      reason: 'SERVICE_UNREACHABLE',
      code: 'UNAVAILABLE',
      field: null,
      // Of a method that is not repeated.
      call: { ...onOperation('Delete', 'x'), address: '127.0.0.1:1' },
    },
    {
      reason: 'RPC_NOT_FOUND',
      code: 'UNIMPLEMENTED',
      field: null,
      call: { ...call(`${jobs}/ListFineTuneJobs`, {}), service: 'training' },
    },
  ];
}
