import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Connection } from '../client/index.ts';
import type { RunningServer } from './start-server.ts';
import { all, callEcho, serveEcho, type EchoClient } from '../testing/echo.ts';

let server: RunningServer;
let echo: Connection<EchoClient>;
beforeAll(async () => {
  server = await serveEcho();
  echo = callEcho(server.address);
  await echo.ready(5000);
});
afterAll(async () => {
  echo.close();
  await server.stop();
});

test('all four kinds of call pass messages both ways', async () => {
  expect((await echo.call.echo({ text: 'hello' })).request?.text).toBe('hello');
  expect((await all(echo.call.count({ count: 5 }))).map((r) => r.index)).toEqual([1, 2, 3, 4, 5]);
  expect((await echo.call.collect([{ text: 'a' }, { text: 'b' }])).request?.text).toBe('ab');
  expect((await all(echo.call.chat([{ text: 'a' }, { text: 'b' }]))).map((r) => r.request?.text)).toEqual([
    'a',
    'b',
  ]);
});

test('an explicit zero is a zero, an absent optional is no key, an absent message is null', async () => {
  const zero = (await echo.call.echo({ ratio: 0, count: undefined })).request;
  expect(zero).toMatchObject({ ratio: 0, inner: null, text: '', colour: 'COLOUR_UNSPECIFIED' });
  expect(zero).not.toHaveProperty('count');
  expect((await echo.call.echo({ inner: { value: 0 } })).request?.inner).toEqual({ value: 0 });
  expect((await echo.call.echo({ big: 2 ** 53 - 1 })).request?.big).toBe(2 ** 53 - 1);
});

test('a reader that leaves a stream early cancels the call', async () => {
  for await (const response of echo.call.count({ count: 1e9 })) if (response.index === 3) break;
  await expect.poll(() => server.callsInFlight, { timeout: 5000 }).toBe(0);
});

test('a handler that the contract does not know, or that is missing, is refused at the start', async () => {
  await expect(serveEcho({ ekko: () => ({}) })).rejects.toThrow(/not in the contract: ekko/);
  await expect(serveEcho({ echo: undefined as never })).rejects.toThrow(/not implemented: echo/);
});
