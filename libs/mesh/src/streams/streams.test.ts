import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { messageCodec } from '../contracts/index.ts';
import { raw, type Implementation } from '../server/index.ts';
import { callEcho, serveEcho, type EchoRequest, type EchoResponse } from '../testing/echo.ts';

async function pair(handlers: Implementation) {
  const server = await serveEcho(handlers);
  const echo = callEcho(server.address);
  onTestFinished(async () => {
    echo.close();
    await server.stop();
  });
  return echo;
}

const mebibyte = 2 ** 20;

test('a slow reader slows the generator: what is under way is bounded', async () => {
  let made = 0;
  const echo = await pair({
    count: async function* () {
      for (; made < 150; made += 1) yield { index: made, payload: Buffer.alloc(mebibyte) };
    },
  });
  let read = 0;
  let ahead = 0;
  for await (const _ of echo.call.count({})) {
    read += 1;
    if (read <= 20) await wait(20);
    ahead = Math.max(ahead, made - read);
  }
  expect(read).toBe(150);
  // 4 unsent at the service, HTTP/2's windows, and 16 that grpc-js's stream holds at the reader.
  expect(ahead).toBeLessThan(40);
});

test('a slow handler slows its caller', async () => {
  let taken = 0;
  let ahead = 0;
  const echo = await pair({
    collect: async (requests: AsyncIterable<EchoRequest>) => {
      for await (const _ of requests) {
        taken += 1;
        if (taken <= 10) await wait(20);
      }
      return { index: taken };
    },
  });
  let sent = 0;
  const requests = async function* () {
    for (; sent < 100; sent += 1) {
      ahead = Math.max(ahead, sent - taken);
      yield { payload: Buffer.alloc(mebibyte) };
    }
  };
  expect((await echo.call.collect(requests())).index).toBe(100);
  expect(ahead).toBeLessThan(40);
});

test('raw handlers and raw calls pass serialized messages as they are', async () => {
  const response = messageCodec('emloc.test.v1.EchoResponse');
  const request = messageCodec('emloc.test.v1.EchoRequest');
  const echo = await pair({
    count: raw.responses(async function* ({ count }: EchoRequest) {
      for (let index = 0; index < (count ?? 0); index += 1) yield response.encode({ index });
    }),
    chat: raw(async function* (requests: AsyncIterable<Buffer>) {
      for await (const bytes of requests) yield response.encode({ payload: bytes });
    }),
    collect: raw.requests(async (requests: AsyncIterable<Buffer>) => {
      let index = 0;
      for await (const bytes of requests) index += bytes.length;
      return { index };
    }),
  });
  const indices: number[] = [];
  for await (const bytes of echo.raw.count({ count: 3 }))
    indices.push(response.decode<EchoResponse>(bytes).index);
  expect(indices).toEqual([0, 1, 2]);
  const sent = request.encode({ text: 'as it is' });
  for await (const { payload } of echo.call.chat([{ text: 'as it is' }]))
    expect(payload.equals(sent)).toBe(true);
  for await (const bytes of echo.raw.chat([sent])) {
    expect(response.decode<EchoResponse>(bytes).payload.equals(sent)).toBe(true);
  }
  expect((await echo.call.collect([{ text: 'as it is' }])).index).toBe(sent.length);
});
