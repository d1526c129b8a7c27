/**
 * Processes of the telemetry test. `serve NEXT`: a service that asks the next one (or answers itself); prints its address.
 * `call ADDRESS`: a caller. `own`: what starts the process of an operation, and continues the trace in TRACEPARENT; that
 * process is `work`, and with `own killed` it is killed while it works.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  currentTraceparent,
  runWithTraceparent,
  startTelemetry,
  takeReport,
  withSpan,
  workerTelemetry,
} from '../telemetry/index.ts';
import { stopOnSignals, type CallContext } from '../server/index.ts';
import { all, callEcho, serveEcho, type EchoRequest } from './echo.ts';

const [role, argument] = process.argv.slice(2);

async function serve(next: string | undefined): Promise<void> {
  const echo = next === undefined ? undefined : callEcho(next);
  const server = await serveEcho(
    {
      echo: async (request: EchoRequest, call: CallContext) => {
        if (echo !== undefined) return echo.call.echo(request, { signal: call.signal });
        await withSpan('inner work', { 'emloc.step': 1 }, () => runWorkerProcess());
        return { request };
      },
      count: async function* (request: EchoRequest) {
        if (echo !== undefined) yield* echo.call.count(request);
        else yield { index: 1 };
      },
    },
    { name: echo === undefined ? 'last' : 'first' },
  );
  console.log(server.address);
  stopOnSignals(server);
}

async function runWorkerProcess(...args: readonly string[]): Promise<void> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(import.meta.url), 'work', ...args],
    {
      env: { ...process.env, TRACEPARENT: currentTraceparent() },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  child.on('message', takeReport);
  await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
}

async function own(...args: readonly string[]): Promise<void> {
  const telemetry = await startTelemetry({ service: 'owner' });
  await runWithTraceparent(process.env['TRACEPARENT'], () =>
    withSpan('operation', {}, () => runWorkerProcess(...args)),
  );
  await telemetry.shutdown();
}

async function work(isKilled: boolean): Promise<void> {
  const run = {
    id: 'op',
    kind: 'train',
    attempt: 1,
    mode: 'operation' as const,
    traceparent: process.env['TRACEPARENT'],
    report: (what: object) => void process.send?.(what),
  };
  await workerTelemetry('worker')(run, async () => {
    await withSpan('layer 0', {}, () => {});
    if (isKilled) await withSpan('layer 1', {}, () => process.kill(process.pid, 'SIGKILL'));
  });
  if (process.connected) process.disconnect();
}

async function call(address: string): Promise<void> {
  const telemetry = await startTelemetry({ service: 'caller' });
  const echo = callEcho(address);
  let stored: string | undefined;
  await withSpan('job', {}, async () => {
    stored = currentTraceparent();
    await echo.call.echo({ text: 'x' });
    await all(echo.call.count({ count: 1 }));
    await echo.call.change({ text: 'fails?' }).catch(() => {});
  });
  // What a resumed job does: the trace goes on from what was stored.
  await runWithTraceparent(stored, () => withSpan('resumed job', {}, () => echo.call.echo({})));
  echo.close();
  await telemetry.shutdown();
}

if (role === 'serve') await serve(argument);
if (role === 'call') await call(argument ?? '');
if (role === 'own') await own(...process.argv.slice(3));
if (role === 'work') await work(argument === 'killed');
