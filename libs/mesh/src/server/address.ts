/** Addresses a server binds: HOST:PORT or a Unix socket, whose left-over file of a dead server is cleared away. */
import { chmodSync, existsSync, mkdirSync, unlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';

/** `sun_path` holds 108 bytes on Linux with its final zero, 104 on macOS. */
const maxSocketPathBytes = process.platform === 'darwin' ? 103 : 107;

export interface Bound {
  /** What a client connects to. */
  readonly address: string;
  readonly port: number | undefined;
}

export async function bind(server: Server, address: string, credentials: ServerCredentials): Promise<Bound> {
  const socket = socketPathOf(address);
  if (socket !== undefined) await prepareSocket(socket, address);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(cannotBind(address, error));
    });
  });
  if (socket === undefined) return { address: `${address.slice(0, address.lastIndexOf(':'))}:${port}`, port };
  // Whoever may open the socket may call the service: its owner only.
  chmodSync(socket, 0o600);
  return { address, port: undefined };
}

export function socketPathOf(address: string): string | undefined {
  if (!address.startsWith('unix:')) return undefined;
  return address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
}

async function prepareSocket(path: string, address: string): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'SOCKET_PATH_TOO_LONG',
      `a socket's path has at most ${maxSocketPathBytes} bytes, this one ${Buffer.byteLength(path)}`,
      { field: 'address', value: address, mend: 'choose a shorter directory' },
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) return;
  if (await answers(path)) throw cannotBind(address, new Error('EADDRINUSE'));
  unlinkSync(path);
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });

function cannotBind(address: string, cause: Error): EmlocError {
  if (/EADDRINUSE/.test(cause.message)) {
    return new EmlocError('FAILED_PRECONDITION', 'ADDRESS_IN_USE', `${address} is in use`, {
      field: 'address',
      value: address,
      mend: 'stop what listens there or choose another address',
      cause,
    });
  }
  return new EmlocError(
    'INVALID_ARGUMENT',
    'ADDRESS_NOT_USABLE',
    `cannot listen on ${address}: ${cause.message}`,
    {
      field: 'address',
      value: address,
      mend: 'choose an address of this machine, such as 127.0.0.1:0; where others find it elsewhere, EMLOC_LISTEN_ADDRESS',
      cause,
    },
  );
}
