/** One job is one trace, through every service and process, also where some of them are killed in the middle of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, until, Workplace } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

/** A line of a file of EMLOC_TRACE_FILE. */
interface SpanLine {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly service: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly status: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

const work = new Workplace();
const data = work.path('train.jsonl');
const traces = work.path('traces');
const services = ['calibration', 'compression', 'training', 'correction', 'inference', 'coordinator'];

beforeAll(async () => {
  await writeTrainingData(data);
  process.env['EMLOC_TRACE_FILE'] = traces;
  process.env['OTEL_METRICS_EXPORTER'] = 'none';
});
afterAll(() => work.dispose());

const jsonLines = <T>(text: string): T[] =>
  text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as T] : []));

const readSpans = (): SpanLine[] =>
  readdirSync(traces).flatMap((name) => jsonLines<SpanLine>(readFileSync(join(traces, name), 'utf8')));

/** The process of a service, from the line that says that it is up. */
function serviceProcess(name: string): number {
  const lines = jsonLines<{ ready?: boolean; pid: number }>(logOf(name));
  return lines.filter(({ ready }) => ready === true).at(-1)!.pid;
}

const logOf = (service: string): string => readFileSync(join(work.home, 'logs', `${service}.log`), 'utf8');

test('a job whose training service and coordinator are killed is one trace of one root, without orphans, its parts linked', async () => {
  const steps = ['--max-steps', '120', '--save-steps', '5', '--refine-steps', '0'];
  const output = ['--output', work.path('tuned'), '--id', 'traced'];
  const running = work.start('finetune', '--model', tinyLlama, '--data', data, ...steps, ...output);
  const checkpoint = join(work.home, 'state/operations/traced-train/checkpoint/checkpoint.safetensors');
  await until(running, () => existsSync(checkpoint));
  process.kill(serviceProcess('training'), 'SIGKILL');
  process.kill(serviceProcess('coordinator'), 'SIGKILL');
  const { code, stderr } = await running.done;
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  await work.quiet();

  const spans = readSpans();
  const root = spans.find(({ name }) => name === 'emloc finetune');
  const trace = spans.filter(({ traceId }) => traceId === root?.traceId);
  expect(new Set(trace.map(({ service }) => service))).toEqual(new Set([...services, 'emloc-cli']));
  expect(trace.filter(({ parentSpanId }) => parentSpanId === undefined)).toEqual([root]);
  const byId = new Map(trace.map((span) => [span.spanId, span]));
  expect(byId.size).toBe(trace.length);
  const orphans = trace.filter(({ parentSpanId: id }) => id !== undefined && !byId.has(id));
  expect(orphans.map(({ service, name }) => `${service}: ${name}`)).toEqual([]);

  const only = (name: string, wanted: Record<string, unknown> = {}): SpanLine => {
    const found = trace.filter(
      (span) =>
        span.name === name && Object.entries(wanted).every(([key, value]) => span.attributes[key] === value),
    );
    expect(found.map((span) => span.name)).toEqual([name]);
    return found[0] as SpanLine;
  };
  const first = only('operation train', { 'emloc.operation.attempt': 1 });
  const second = only('operation train', { 'emloc.operation.attempt': 2 });
  expect(first.attributes['emloc.operation.state']).toBe('LOST');
  expect(second.attributes['emloc.operation.state']).toBe('SUCCEEDED');
  expect(second.links).toEqual([{ traceId: first.traceId, spanId: first.spanId }]);
  // The coordinator that died had begun these; the one that came after it has ended them.
  const job = only('job', { 'emloc.job.state': 'SUCCEEDED', 'emloc.job.id': 'traced' });
  expect(only('resume job').links).toEqual([{ traceId: job.traceId, spanId: job.spanId }]);
  const stage = only('stage train', { 'emloc.stage': 'train' });
  expect(stage.startMs).toBeLessThan(first.startMs + 1);
  expect(stage.startMs + stage.durationMs).toBeGreaterThan(second.startMs + second.durationMs);

  const path = (span: SpanLine | undefined): string[] =>
    span === undefined ? [] : [...path(byId.get(span.parentSpanId ?? '')), span.name];
  const stored = trace.find(({ service, name }) => service === 'training' && name === 'store artifact');
  expect(path(stored)).toEqual([
    'emloc finetune',
    'emloc.coordinator.v1.FineTuneJobService/CreateFineTuneJob',
    'emloc.coordinator.v1.FineTuneJobService/CreateFineTuneJob',
    'job',
    'stage train',
    'emloc.training.v1.TrainingService/StartTraining',
    'emloc.training.v1.TrainingService/StartTraining',
    'operation train',
    'store artifact',
  ]);
  const linears = trace.filter(({ name }) => name === 'compress linear');
  expect(linears.length).toBeGreaterThan(0);
  for (const { attributes } of linears) {
    expect(attributes).toMatchObject({ 'emloc.rank': expect.any(Number), 'emloc.ratio': 0.5 });
  }
  const streamed = trace.filter(({ name }) => name === 'stream Gram matrices');
  const received = trace.filter(({ name }) => name === 'receive Gram matrices');
  const bytes = (all: readonly SpanLine[]): number =>
    all.reduce((sum, { attributes }) => sum + Number(attributes['emloc.tensor.bytes']), 0);
  expect(bytes(streamed)).toBeGreaterThan(0);
  expect(received.length).toBe(streamed.length);
});

test('the log lines of a job are JSON and carry its trace id, those of its operations too', () => {
  const root = readSpans().find(({ name }) => name === 'emloc finetune');
  for (const service of services) {
    const lines = jsonLines<Record<string, unknown>>(logOf(service)).filter(
      ({ job, operation }) => job === 'traced' || operation !== undefined,
    );
    expect(lines.length, service).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatchObject({ trace_id: root?.traceId, name: service });
  }
});
