/**
 * Processes of the telemetry test. `serve NEXT`: a service that asks the next one (or answers itself); prints its address.
 * `call ADDRESS`: a caller. `work`: the process of an operation, which continues the trace in TRACEPARENT.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  currentTraceparent,
  runWithTraceparent,
  startTelemetry,
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

async function runWorkerProcess(): Promise<void> {
  const env = { ...process.env, TRACEPARENT: currentTraceparent() };
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), 'work'], { env });
  await once(child, 'exit');
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
if (role === 'work') {
  const run = {
    id: 'op',
    kind: 'train',
    attempt: 1,
    mode: 'operation' as const,
    traceparent: process.env['TRACEPARENT'],
  };
  await workerTelemetry('worker')(run, async () => withSpan('layer 0', {}, () => {}));
}
