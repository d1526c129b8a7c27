import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { all, callEcho, serveEcho } from '../testing/echo.ts';
import { health } from '../testing/health.ts';
import { makeCertificates } from '../testing/certificates.ts';

async function replica(name: string, options: Parameters<typeof serveEcho>[1] = {}) {
  const server = await serveEcho({ echo: () => ({ request: { text: name } }) }, options);
  onTestFinished(() => server.stop());
  return server;
}

test('calls go to the replicas of a name in turn, and past one that is gone', async () => {
  const [first, second] = [await replica('first'), await replica('second')];
  const echo = callEcho(`ipv4:${first.address},${second.address}`);
  onTestFinished(() => echo.close());
  const answers = async (): Promise<Set<string | undefined>> => {
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 8; i += 1) seen.add((await echo.call.echo({})).request?.text);
    return seen;
  };
  await echo.ready(30_000);
  await expect.poll(answers).toEqual(new Set(['first', 'second']));
  await first.stop();
  await expect.poll(answers).toEqual(new Set(['second']));
});

test('a connection that came of age is made anew, and cuts no call', async () => {
  const peers = new Set<string>();
  const server = await serveEcho(
    {
      echo: (request, { peer }) => {
        peers.add(peer);
        return { request };
      },
      count: async function* () {
        for (let index = 1; index <= 20; index += 1) {
          await wait(100);
          yield { index };
        }
      },
    },
    { connectionAgeMs: 300 },
  );
  onTestFinished(() => server.stop());
  const echo = callEcho(server.address);
  onTestFinished(() => echo.close());
  const counted = all(echo.call.count({}));
  await expect
    .poll(async () => {
      await echo.call.echo({});
      return peers.size;
    })
    .toBeGreaterThan(1);
  expect(await counted).toHaveLength(20);
});

test('health is told without TLS at an address of its own, and nothing else is', async () => {
  const certificates = makeCertificates();
  const tls = { ca: certificates.ca, ...certificates.pair('server') };
  const server = await replica('safe', { tls, healthAddress: '127.0.0.1:0' });
  const address = server.healthAddress ?? '';
  expect(await health(address, '')).toBe('SERVING');
  expect(await health(address, 'liveness')).toBe('SERVING');
  await expect(health(server.address, '')).rejects.toThrow();
  const echo = callEcho(address);
  onTestFinished(() => echo.close());
  await expect(echo.call.echo({})).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
});
