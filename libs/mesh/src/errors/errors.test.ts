import { afterAll, beforeAll, expect, test } from 'vitest';
import { EmlocError, type ErrorCode } from '@emloc/errors';
import type { Connection } from '../client/index.ts';
import type { RunningServer } from '../server/index.ts';
import { limits } from '../limits.ts';
import { callEcho, serveEcho, type EchoClient, type EchoRequest } from '../testing/echo.ts';
import { fromStatusMessage } from './from-status.ts';
import { toStatusMessage } from './to-status.ts';

const codes: readonly ErrorCode[] = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'RESOURCE_EXHAUSTED',
  'CANCELLED',
  'ABORTED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'OUT_OF_RANGE',
  'DATA_LOSS',
  'UNIMPLEMENTED',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
];
const details = { field: 'ratio', value: '1.5', mend: 'choose 0.5', metadata: { step: '7', état: 'ß' } };

let server: RunningServer;
let echo: Connection<EchoClient>;
beforeAll(async () => {
  server = await serveEcho({
    change: (request: EchoRequest) => {
      if (request.text === 'bug') throw new TypeError("cannot read 'x'\n    at /secret/path.ts:1:1");
      if (request.text === 'long')
        throw new EmlocError('INVALID_ARGUMENT', 'LONG', 'ö'.repeat(1e5), { value: 'v'.repeat(1e5) });
      throw new EmlocError(request.text as ErrorCode, 'SOME_REASON', 'what was wrong', details);
    },
    count: async function* () {
      yield { index: 1 };
      throw new EmlocError('DATA_LOSS', 'CHUNK_LOST', 'a chunk is lost', details);
    },
  });
  echo = callEcho(server.address);
  await echo.ready(5000);
});
afterAll(async () => {
  echo.close();
  await server.stop();
});

test('every code arrives with reason, field, value, mend and metadata as it was thrown', async () => {
  for (const code of codes) {
    const error: unknown = await echo.call.change({ text: code }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EmlocError);
    expect(error).toMatchObject({ code, reason: 'SOME_REASON', message: 'what was wrong', ...details });
  }
});

test("where a retry helps, gRPC's own retries are told how long to wait", async () => {
  const trailers = async (code: ErrorCode): Promise<unknown[]> => {
    const error = (await echo.call.change({ text: code }).catch((e: unknown) => e)) as EmlocError;
    const { metadata } = error.cause as { metadata: { get(key: string): unknown[] } };
    return metadata.get('grpc-retry-pushback-ms');
  };
  expect(await trailers('UNAVAILABLE')).toEqual(['500']);
  expect(await trailers('INVALID_ARGUMENT')).toEqual([]);
});

test('an error in the middle of a stream comes after what was sent before it', async () => {
  const seen: number[] = [];
  const read = async () => {
    for await (const { index } of echo.call.count({})) seen.push(index);
  };
  await expect(read()).rejects.toMatchObject({ code: 'DATA_LOSS', reason: 'CHUNK_LOST', ...details });
  expect(seen).toEqual([1]);
});

test('what is not ours is INTERNAL, and neither its stack nor its second line leaves the service', async () => {
  const error = (await echo.call.change({ text: 'bug' }).catch((e: unknown) => e)) as EmlocError;
  expect(error).toMatchObject({
    code: 'INTERNAL',
    reason: 'INTERNAL',
    message: "internal error: cannot read 'x'",
  });
  expect(JSON.stringify(error.metadata)).not.toContain('secret');
});

test('texts of any length are cut so that the error still arrives', async () => {
  const error = (await echo.call.change({ text: 'long' }).catch((e: unknown) => e)) as EmlocError;
  expect(error.reason).toBe('LONG');
  expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(limits.maxErrorTextBytes);
  expect(error.message.endsWith('ö …')).toBe(true);
});

test('an error that a message holds is the same error again', () => {
  const error = new EmlocError('FAILED_PRECONDITION', 'MODEL_CHANGED', 'the model has changed', details);
  expect(fromStatusMessage(toStatusMessage(error))).toMatchObject({
    code: error.code,
    reason: error.reason,
    ...details,
  });
});

test('a service that is not there, and one that does not know the call, are told apart', async () => {
  const nowhere = callEcho('127.0.0.1:1', { retry: { attempts: 1 } });
  await expect(nowhere.call.echo({})).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    reason: 'SERVICE_UNREACHABLE',
  });
  await expect(nowhere.ready(300)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    reason: 'SERVICE_NOT_READY',
  });
  nowhere.close();
});
