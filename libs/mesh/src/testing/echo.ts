/** A service and its client for the tests of this package, on the contract beside it. */
import { fileURLToPath } from 'node:url';
import { connect, type CallOptions, type ConnectOptions, type Connection } from '../client/index.ts';
import { createLogger } from '../config/logger.ts';
import { startServer, type Implementation, type RunningServer, type ServerOptions } from '../server/index.ts';

process.env['EMLOC_PROTO_DIR'] = fileURLToPath(new URL('./proto', import.meta.url));

export interface EchoRequest {
  text?: string;
  ratio?: number;
  count?: number;
  payload?: Buffer;
  inner?: { value: number } | null;
  colour?: string;
  big?: number;
}
export interface EchoResponse {
  request: EchoRequest | null;
  index: number;
  payload: Buffer;
}
type Stream<T> = AsyncIterable<T> | Iterable<T>;
export interface EchoClient {
  echo(request: EchoRequest, options?: CallOptions): Promise<EchoResponse>;
  change(request: EchoRequest, options?: CallOptions): Promise<EchoResponse>;
  count(request: EchoRequest, options?: CallOptions): AsyncIterable<EchoResponse>;
  collect(requests: Stream<EchoRequest>, options?: CallOptions): Promise<EchoResponse>;
  chat(requests: Stream<EchoRequest>, options?: CallOptions): AsyncIterable<EchoResponse>;
}

export const contract = { package: 'emloc.test.v1', service: 'EchoService' } as const;

export const echoImplementation: Implementation = {
  echo: (request: EchoRequest) => ({ request }),
  change: (request: EchoRequest) => ({ request }),
  count: async function* (request: EchoRequest) {
    for (let index = 1; index <= (request.count ?? 3); index++) yield { index };
  },
  collect: async (requests: AsyncIterable<EchoRequest>) => {
    let text = '';
    let index = 0;
    for await (const request of requests) {
      text += request.text;
      index += 1;
    }
    return { request: { text }, index };
  },
  chat: async function* (requests: AsyncIterable<EchoRequest>) {
    let index = 0;
    for await (const request of requests) yield { request, index: (index += 1) };
  },
};

export const quiet = createLogger({ name: 'test', level: 'silent' });

export function serveEcho(
  handlers: Implementation = {},
  options: Partial<ServerOptions> = {},
): Promise<RunningServer> {
  const implementation = { ...echoImplementation, ...handlers };
  return startServer({
    name: 'echo',
    services: [{ ...contract, implementation }],
    logger: quiet,
    ...options,
  });
}

export function callEcho(address: string, options: Partial<ConnectOptions> = {}): Connection<EchoClient> {
  return connect<EchoClient>({ address, ...contract, ...options });
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
