import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ChannelCredentials, Client, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { expect, onTestFinished, test } from 'vitest';
import type { CallContext } from './handlers.ts';
import { all, callEcho, serveEcho } from '../testing/echo.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';

const reflectionMain = createRequire(import.meta.url).resolve('@grpc/reflection');
const reflectionProtos = join(dirname(reflectionMain), '..', 'proto');

test('a stop lets calls in flight finish, refuses new ones, and tells watchers that it drains', async () => {
  let told = false;
  const server = await serveEcho({
    echo: async () => {
      await wait(300);
      return { index: 7 };
    },
    count: async function* (_: unknown, call: CallContext) {
      call.draining.addEventListener('abort', () => (told = true));
      while (!call.draining.aborted) {
        yield { index: 1 };
        await wait(10);
      }
    },
  });
  const [one, two] = [callEcho(server.address), callEcho(server.address, { retry: { attempts: 1 } })];
  await one.ready(5000);
  const slow = one.call.echo({});
  const watch = all(one.call.count({}));
  await wait(50);
  const stopped = server.stop();
  await wait(20);
  await expect(two.call.echo({})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect((await slow).index).toBe(7);
  expect((await watch).length).toBeGreaterThan(0);
  await stopped;
  expect(told).toBe(true);
  one.close();
  two.close();
});

test('calls that do not end within the drain are cancelled with UNAVAILABLE', async () => {
  const server = await serveEcho({ change: () => new Promise(() => {}) }, { drainMs: 100 });
  const echo = callEcho(server.address);
  const stuck = echo.call.change({});
  stuck.catch(() => {});
  await expect.poll(() => server.callsInFlight).toBe(1);
  await server.stop();
  await expect(stuck).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVICE_STOPPING' });
  echo.close();
});

test('health is answered while a call is slow, and turns with setServing', async () => {
  const server = await serveEcho({ change: () => wait(60_000, {}, { ref: false }) }, { drainMs: 0 });
  const echo = callEcho(server.address);
  onTestFinished(async () => {
    echo.close();
    await server.stop();
  });
  let ended = false;
  void echo.call
    .change({})
    .finally(() => (ended = true))
    .catch(() => {});
  await echo.ready(30_000);
  expect(ended).toBe(false);
  server.setServing('emloc.test.v1.EchoService', false);
  await expect(echo.ready(300)).rejects.toThrow(/is not ready: NOT_SERVING/);
  server.setServing('emloc.test.v1.EchoService', true);
  await echo.ready(30_000);
});

test('a health watch sees a service serve, turn, and drain while its calls still run', async () => {
  const server = await serveEcho({ change: () => wait(60_000, {}, { ref: false }) }, { drainMs: 60_000 });
  const health = loadSync(healthProto, { enums: String })['grpc.health.v1.Health'] as ServiceDefinition;
  const { Watch: method } = health;
  if (method === undefined) throw new Error('no health contract');
  const client = new Client(server.address, ChannelCredentials.createInsecure());
  const echo = callEcho(server.address);
  await echo.ready(30_000);
  const watches = ['', 'emloc.test.v1.EchoService', 'no.such.Service'].map((service) => {
    const seen: string[] = [];
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { service },
    );
    call.on('data', ({ status }: { status: string }) => seen.push(status));
    call.on('error', () => {});
    return seen;
  });
  const [whole, one, unknown] = watches;
  await expect
    .poll(() => watches.map((seen) => seen.at(-1)))
    .toEqual(['SERVING', 'SERVING', 'SERVICE_UNKNOWN']);
  server.setServing('emloc.test.v1.EchoService', false);
  await expect.poll(() => one).toEqual(['SERVING', 'NOT_SERVING']);
  server.setServing('emloc.test.v1.EchoService', true);
  await expect.poll(() => one).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
  const stuck = new AbortController();
  const inFlight = echo.call.change({}, { signal: stuck.signal }).catch((error: unknown) => error);
  await expect.poll(() => server.callsInFlight).toBe(1);
  const stopped = server.stop();
  await expect.poll(() => [whole?.at(-1), one?.at(-1)]).toEqual(['NOT_SERVING', 'NOT_SERVING']);
  expect(server.callsInFlight).toBe(1);
  stuck.abort();
  expect(await inFlight).toMatchObject({ code: 'CANCELLED' });
  await stopped;
  expect(unknown).toEqual(['SERVICE_UNKNOWN']);
  echo.close();
  client.close();
});

test('a Unix socket is its owner’s only, replaces a dead one, and never one that lives', async () => {
  const path = join(temporaryDirectory(), 'echo.sock');
  writeFileSync(path, 'left over by a server that was killed');
  const server = await serveEcho({}, { address: `unix:${path}` });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(server).toMatchObject({ address: `unix:${path}`, port: undefined });
  const echo = callEcho(server.address);
  expect((await echo.call.echo({ text: 'x' })).request?.text).toBe('x');
  const second = serveEcho({}, { address: `unix:${path}` });
  await expect(second).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'ADDRESS_IN_USE' });
  echo.close();
  await server.stop();
  expect(existsSync(path)).toBe(false);
  const long = serveEcho({}, { address: `unix:/tmp/${'x'.repeat(200)}` });
  await expect(long).rejects.toMatchObject({ reason: 'SOCKET_PATH_TOO_LONG' });
});

test('an address that is in use, or not of this machine, is named', async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  const taken = serveEcho({}, { address: `127.0.0.1:${port}` });
  await expect(taken).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE', value: `127.0.0.1:${port}` });
  other.close();
  const foreign = serveEcho({}, { address: '192.0.2.1:4000' });
  await expect(foreign).rejects.toMatchObject({ reason: 'ADDRESS_NOT_USABLE' });
});

test('reflection names the services and describes their messages with comments, and those of error details', async () => {
  const server = await serveEcho();
  const reflection = loadSync('grpc/reflection/v1/reflection.proto', { includeDirs: [reflectionProtos] });
  const { ServerReflectionInfo: method } = reflection[
    'grpc.reflection.v1.ServerReflection'
  ] as ServiceDefinition;
  if (method === undefined) throw new Error('no reflection contract');
  const client = new Client(server.address, ChannelCredentials.createInsecure());
  onTestFinished(async () => {
    client.close();
    await server.stop();
  });
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  const asked = [
    { listServices: '' },
    { fileContainingSymbol: 'emloc.test.v1.EchoRequest' },
    { fileContainingSymbol: 'google.rpc.ErrorInfo' },
  ];
  for (const question of asked) call.write(question);
  call.end();
  const [services, echo, errorInfo] = (await all(call)) as {
    listServicesResponse?: { service: { name: string }[] };
    fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
  }[];
  const names = services?.listServicesResponse?.service.map(({ name }) => name);
  expect(names?.sort()).toEqual(['emloc.test.v1.EchoService', 'grpc.health.v1.Health']);
  const described = echo?.fileDescriptorResponse?.fileDescriptorProto[0]?.toString('latin1');
  expect(described).toContain('LabelsEntry');
  expect(described).toContain(' After an empty line.');
  expect(errorInfo?.fileDescriptorResponse?.fileDescriptorProto[0]?.toString('latin1')).toContain(
    'google.rpc',
  );
});
