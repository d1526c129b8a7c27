/** Waits until a service is reachable and says by its health that it serves. */
import { Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import { status as Code } from '@grpc/grpc-js';
import { service as health } from 'grpc-health-check';
import { EmlocError } from '@emloc/errors';
import { sleep } from '../streams/sleep.ts';

/** So long a try waits for the connection before it looks at the signal again. */
const sliceMs = 250;

export async function untilReady(
  client: Client,
  address: string,
  service: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const until = Date.now() + timeoutMs;
  let last = 'no connection';
  do {
    if (signal?.aborted === true)
      throw new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the wait was cancelled');
    if (await connected(client, Math.min(until, Date.now() + sliceMs))) {
      last = await check(client, service);
      if (last === 'SERVING') return;
      await sleep(Math.min(100, Math.max(0, until - Date.now())), signal);
    }
  } while (Date.now() < until);
  throw new EmlocError('UNAVAILABLE', 'SERVICE_NOT_READY', `${service} at ${address} is not ready: ${last}`, {
    value: address,
    mend: 'check that the service runs there and its log, and that TLS or not is right',
  });
}

const connected = (client: Client, deadline: number): Promise<boolean> =>
  new Promise((resolve) => client.waitForReady(deadline, (error) => resolve(error === undefined)));

function check(client: Client, service: string): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = health['Check'] as {
    path: string;
    requestSerialize: (message: object) => Buffer;
    responseDeserialize: (bytes: Buffer) => { status: string };
  };
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, answer?: { status: string }): void => {
      // A service of another make may have no health: that it answers has to do.
      if (error?.code === Code.UNIMPLEMENTED) resolve('SERVING');
      else resolve(error === null ? (answer?.status ?? 'UNKNOWN') : error.details);
    };
    const deadline = Date.now() + 2000;
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      new Metadata(),
      { deadline },
      done,
    );
  });
}
