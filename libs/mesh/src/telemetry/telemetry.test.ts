import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import type { SpanLine } from './index.ts';

const file = fileURLToPath(new URL('../testing/traced.ts', import.meta.url));

function start(args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const spansIn = (folder: string): SpanLine[] =>
  readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as SpanLine),
  );

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no stdout');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return line;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(0);
}

test('one trace goes through caller, two services and the process of an operation: each span has its parent', async () => {
  const folder = temporaryDirectory();
  const env = { EMLOC_TRACE_FILE: folder };
  const last = start(['serve'], env);
  const first = start(['serve', await firstLine(last)], env);
  const [code] = (await once(start(['call', await firstLine(first)], env), 'exit')) as [number];
  expect(code).toBe(0);
  await Promise.all([stop(first), stop(last)]);

  const spans = spansIn(folder);
  expect(new Set(spans.map((span) => span.service))).toEqual(new Set(['caller', 'first', 'last', 'worker']));
  expect(new Set(spans.map((span) => span.pid)).size).toBe(5);
  expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const roots = spans.filter((span) => span.parentSpanId === undefined);
  expect(roots.map((span) => span.name)).toEqual(['job']);
  for (const span of spans)
    if (span.parentSpanId !== undefined) expect(byId.get(span.parentSpanId)).toBeDefined();

  const path = (span: SpanLine | undefined): string[] =>
    span === undefined ? [] : [...path(byId.get(span.parentSpanId ?? '')), `${span.service}:${span.name}`];
  const echo = 'emloc.test.v1.EchoService/Echo';
  expect(path(spans.find((span) => span.name === 'layer 0'))).toEqual([
    'caller:job',
    `caller:${echo}`,
    `first:${echo}`,
    `first:${echo}`,
    `last:${echo}`,
    'last:inner work',
    'worker:layer 0',
  ]);
  const server = spans.find((span) => span.service === 'last' && span.kind === 'SERVER');
  expect(server?.attributes).toMatchObject({
    'rpc.system.name': 'grpc',
    'rpc.method': echo,
    'rpc.status_code': 'OK',
  });
  // A parent may be another process, but on one machine it began before its child.
  for (const span of spans) {
    const parent = byId.get(span.parentSpanId ?? '');
    if (parent !== undefined) expect(span.startMs).toBeGreaterThanOrEqual(parent.startMs - 5);
  }
});

test('what is sampled is decided by the standard variables, and by the caller for the whole trace', async () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
  const cases: [Record<string, string>, number][] = [
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, 0],
    [{ TRACEPARENT: `${trace}-00` }, 0],
    [{ TRACEPARENT: `${trace}-01` }, 3],
    [{ OTEL_TRACES_SAMPLER: 'always_on', TRACEPARENT: `${trace}-00` }, 3],
  ];
  const counted = cases.map(async ([env]) => {
    const folder = temporaryDirectory();
    await once(start(['own'], { ...env, EMLOC_TRACE_FILE: folder }), 'exit');
    return spansIn(folder).length;
  });
  expect(await Promise.all(counted)).toEqual(cases.map(([, spans]) => spans));
});

test('what the process of an operation has done when it is killed is in the trace', async () => {
  const folder = temporaryDirectory();
  await once(start(['own', 'killed'], { EMLOC_TRACE_FILE: folder }), 'exit');
  const spans = spansIn(folder);
  const operation = spans.find(({ name }) => name === 'operation');
  const others = spans.filter((span) => span !== operation);
  expect(others.map(({ service, name }) => `${service}: ${name}`)).toEqual([
    'worker: start process',
    'worker: layer 0',
  ]);
  for (const span of others) expect(span.parentSpanId).toBe(operation?.spanId);
});

test('spans, also those that were handed over, are sent by OTLP, over HTTP and over gRPC', async () => {
  const bodies: Buffer[] = [];
  const http = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => bodies.push(chunk)).on('end', () => response.end());
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const grpc = new Server();
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
  const asIs = (bytes: Buffer): Buffer => bytes;
  grpc.register(
    path,
    (call: { request: Buffer }, answer: (error: null, bytes: Buffer) => void) => {
      bodies.push(call.request);
      answer(null, Buffer.alloc(0));
    },
    asIs,
    asIs,
    'unary',
  );
  const port = await new Promise<number>((resolve) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
  );
  const httpPort = (http.address() as { port: number }).port;
  const endpoints: Record<string, string>[] = [
    { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${httpPort}` },
    { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  ];
  for (const env of endpoints) {
    bodies.length = 0;
    await once(start(['own'], env), 'exit');
    const sent = Buffer.concat(bodies).toString('latin1');
    expect(sent).toContain('start process');
    expect(sent).toContain('worker');
  }
  http.close();
  grpc.forceShutdown();
});
