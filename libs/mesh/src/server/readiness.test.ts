import { expect, onTestFinished, test } from 'vitest';
import { callEcho, serveEcho } from '../testing/echo.ts';
import { health, HealthWatch } from '../testing/health.ts';

test('a service that cannot work says so by its health, and when it can again', async () => {
  let broken = true;
  const server = await serveEcho(
    {},
    {
      checkReady: async () => {
        if (broken) throw new Error('no database');
      },
    },
  );
  const echo = callEcho(server.address);
  onTestFinished(async () => {
    echo.close();
    await server.stop();
  });
  await expect.poll(() => health(server.address, ''), { timeout: 30_000 }).toBe('NOT_SERVING');
  expect(await health(server.address, 'emloc.test.v1.EchoService')).toBe('NOT_SERVING');
  expect(await health(server.address, 'liveness')).toBe('SERVING');
  broken = false;
  await echo.ready(60_000);
  expect(await health(server.address, '')).toBe('SERVING');
});

test('while it drains a server is not ready, but alive', async () => {
  const server = await serveEcho({ change: () => new Promise(() => {}) }, { drainMs: 60_000 });
  const echo = callEcho(server.address);
  const watch = new HealthWatch(server.address, 'liveness');
  const ready = new HealthWatch(server.address, '');
  await expect.poll(() => [watch.last, ready.last]).toEqual(['SERVING', 'SERVING']);
  const stop = new AbortController();
  const call = echo.call.change({}, { signal: stop.signal }).catch(() => {});
  await expect.poll(() => server.callsInFlight).toBe(1);
  const stopped = server.stop();
  await expect.poll(() => ready.last).toBe('NOT_SERVING');
  expect(watch.last).toBe('SERVING');
  stop.abort();
  await Promise.all([call, stopped]);
  watch.close();
  ready.close();
  echo.close();
});
