import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import type { CallContext, Implementation, ServerOptions } from '../server/index.ts';
import { all, callEcho, serveEcho, type EchoRequest } from '../testing/echo.ts';
import type { ConnectOptions } from './options.ts';
import { resumeStream } from './resume-stream.ts';

async function pair(
  handlers: Implementation,
  options: Partial<ConnectOptions> = {},
  serving: Partial<ServerOptions> = {},
) {
  const server = await serveEcho(handlers, serving);
  const echo = callEcho(server.address, { retry: { attempts: 4, initialMs: 5, maxMs: 20 }, ...options });
  onTestFinished(async () => {
    echo.close();
    await server.stop();
  });
  await echo.ready(5000);
  return { server, echo };
}

const away = () => new EmlocError('UNAVAILABLE', 'AWAY', 'not now');

test('UNAVAILABLE is tried again where the contract says the call is idempotent, or the caller does', async () => {
  let calls = 0;
  const flaky = (request: EchoRequest) => {
    calls += 1;
    if (calls % 3 !== 0) throw away();
    return { request };
  };
  const { echo } = await pair({ echo: flaky, change: flaky });
  await echo.call.echo({});
  expect(calls).toBe(3);
  await expect(echo.call.change({})).rejects.toMatchObject({ reason: 'AWAY' });
  expect(calls).toBe(4);
  await echo.call.change({}, { idempotent: true });
  expect(calls).toBe(6);
});

test('nothing else is tried again, and tries end', async () => {
  let calls = 0;
  const { echo } = await pair({
    echo: ({ text }: EchoRequest) => {
      calls += 1;
      throw text === 'away' ? away() : new EmlocError('INTERNAL', 'BROKEN', 'broken');
    },
  });
  await expect(echo.call.echo({})).rejects.toMatchObject({ reason: 'BROKEN' });
  expect(calls).toBe(1);
  await expect(echo.call.echo({ text: 'away' })).rejects.toMatchObject({ reason: 'AWAY' });
  expect(calls).toBe(5);
});

test('a stream is opened again only while nothing has come from it', async () => {
  let calls = 0;
  const { echo } = await pair({
    count: async function* ({ count }: EchoRequest) {
      calls += 1;
      if (calls === 1) throw away();
      yield { index: 1 };
      if (count === 2) throw away();
    },
  });
  expect(await all(echo.call.count({ count: 1 }))).toHaveLength(1);
  expect(calls).toBe(2);
  await expect(all(echo.call.count({ count: 2 }))).rejects.toMatchObject({ reason: 'AWAY' });
  expect(calls).toBe(3);
});

test('a call ends at its deadline on both sides, also when its handler never listens', async () => {
  const reasons: unknown[] = [];
  const never = (_: unknown, call: CallContext) => {
    call.signal.addEventListener('abort', () => reasons.push((call.signal.reason as EmlocError).code));
    return new Promise(() => {});
  };
  const { echo, server } = await pair({ echo: never });
  await expect(echo.call.echo({}, { deadlineMs: 100 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await expect.poll(() => server.callsInFlight).toBe(0);
  expect(reasons).toHaveLength(1);
});

test('an abort reaches the handler, and the caller gets the reason it gave', async () => {
  let aborted = false;
  const { echo, server } = await pair({
    change: async (_: unknown, call: CallContext) => {
      await wait(60_000, undefined, { signal: call.signal }).catch(() => (aborted = true));
      return {};
    },
    chat: async function* (requests: AsyncIterable<EchoRequest>) {
      for await (const request of requests) yield { request };
    },
  });
  const stop = new AbortController();
  const call = echo.call.change({}, { signal: stop.signal });
  setTimeout(() => stop.abort(new EmlocError('ABORTED', 'JOB_PAUSED', 'paused')), 50);
  await expect(call).rejects.toMatchObject({ reason: 'JOB_PAUSED' });
  await expect.poll(() => aborted).toBe(true);
  const endless = async function* () {
    for (;;) {
      yield {};
      await wait(5);
    }
  };
  const chat = all(echo.call.chat(endless(), { signal: AbortSignal.timeout(100) }));
  await expect(chat).rejects.toMatchObject({ code: 'CANCELLED', reason: 'CALL_CANCELLED' });
  await expect(echo.call.echo({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
  await expect.poll(() => server.callsInFlight).toBe(0);
});

test('an error in what the caller sends is the caller’s error', async () => {
  const { echo } = await pair({});
  const broken = async function* () {
    yield { text: 'a' };
    throw new EmlocError('DATA_LOSS', 'FILE_SHRANK', 'the file shrank');
  };
  await expect(echo.call.collect(broken())).rejects.toMatchObject({ reason: 'FILE_SHRANK' });
  await expect(all(echo.call.chat(broken()))).rejects.toMatchObject({ reason: 'FILE_SHRANK' });
});

test('a service that answers before it has read all ends the sending', async () => {
  const { echo } = await pair({
    collect: async () => {
      throw new EmlocError('INVALID_ARGUMENT', 'BAD_HEADER', 'the header is bad');
    },
  });
  let sent = 0;
  const endless = async function* () {
    for (;;) {
      sent += 1;
      yield { payload: Buffer.alloc(1000) };
      await wait(1);
    }
  };
  await expect(echo.call.collect(endless())).rejects.toMatchObject({ reason: 'BAD_HEADER' });
  const then = sent;
  await wait(50);
  expect(sent - then).toBeLessThanOrEqual(1);
});

test('messages and metadata above the limit are refused with size and limit', async () => {
  const { echo } = await pair({}, {}, { limits: { maxMessageBytes: 100_000 } });
  const large = echo.call.echo({ payload: Buffer.alloc(200_000) });
  await expect(large).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  await expect(large).rejects.toThrow(/200\d\d\d vs\.? 100000/);
  const metadata = { 'x-large': 'y'.repeat(17_000) };
  await expect(echo.call.echo({}, { metadata })).rejects.toMatchObject({ reason: 'HEADERS_TOO_LARGE' });
});

test('a watch outlives the restart of its service and goes on after its cursor', async () => {
  const count: Implementation[string] = async function* ({ count: from }: EchoRequest, call: CallContext) {
    for (let index = (from ?? 0) + 1; index <= 12; index += 1) {
      if (call.draining.aborted) throw away();
      yield { index };
      await wait(20);
    }
  };
  const first = await serveEcho({ count });
  const echo = callEcho(first.address, { retry: { attempts: 1 } });
  const open = (cursor: number, signal?: AbortSignal) => echo.call.count({ count: cursor }, { signal });
  const seen: number[] = [];
  let second: typeof first | undefined;
  for await (const { index } of resumeStream({ open, cursorOf: (r) => r.index, from: 0 })) {
    seen.push(index);
    if (index !== 4) continue;
    await first.stop();
    second = await serveEcho({ count }, { address: first.address });
  }
  echo.close();
  await second?.stop();
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});
