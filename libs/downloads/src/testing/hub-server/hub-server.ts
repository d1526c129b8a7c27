/**
 * A hub of the test's own: real HTTP on the loopback interface, speaking the part of the Hugging Face hub's interface
 * that its clients (JavaScript's and Python's) use, with the faults that networks have.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pull } from './pull.ts';
import { push } from './push.ts';
import { HubRepository } from './repository.ts';

export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly host: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export class HubServer {
  readonly repositories = new Map<string, HubRepository>();
  /** Contents of large files by SHA-256. */
  readonly objects = new Map<string, Buffer>();
  /** Every request, in order. */
  readonly seen: Seen[] = [];
  /** Tokens that are taken; undefined: none is asked for. */
  token: string | undefined;
  /** Names under which repositories may be made. */
  writable: readonly string[] = [];
  /** Of the commits that were pushed. */
  readonly titles: string[] = [];
  /** Each answer with a large file breaks off after so many bytes, so often. */
  breakAfter: { bytes: number; times: number } | undefined;
  /** So many requests are answered 503. */
  stumbles = 0;
  /** Ranges are ignored: the whole file comes again. */
  ignoreRanges = false;
  /** What comes instead of a large file's content. */
  spoil: ((content: Buffer) => Buffer) | undefined;
  /** A pause within each answer with a large file, for a test that interrupts. */
  stall = false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<HubServer> {
    const server = createServer();
    const hub = new HubServer(server);
    server.on('request', (request, response) => {
      hub.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Large files come from another host, as the hub's do: the token must not be sent there. */
  get contentHost(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A repository with one commit on `main`. */
  add(name: string, files: Readonly<Record<string, Buffer | string>>): HubRepository {
    const repository = new HubRepository(name);
    this.repositories.set(name, repository);
    this.commit(repository, files);
    return repository;
  }

  commit(
    repository: HubRepository,
    files: Readonly<Record<string, Buffer | string>>,
    branch = 'main',
  ): string {
    const { commit, large } = repository.commit(files, branch);
    for (const [sha256, content] of large) this.objects.set(sha256, content);
    return commit;
  }

  requests(pattern: RegExp): Seen[] {
    return this.seen.filter(({ url }) => pattern.test(url));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const { authorization, range, host = '' } = headers;
    this.seen.push({ method, url, host, range, authorization });
    if (this.stumbles > 0) {
      this.stumbles -= 1;
      response.writeHead(503).end();
      return;
    }
    const { pathname, searchParams } = new URL(url, this.endpoint);
    const call = { hub: this, request, response, path: decodeURIComponent(pathname), query: searchParams };
    if (!(await push(call)) && !(await pull(call))) response.writeHead(404).end();
  }
}

export interface HubCall {
  readonly hub: HubServer;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
}

export function sendJson(
  response: ServerResponse,
  body: unknown,
  headers: Record<string, string> = {},
): true {
  response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
  return true;
}

export function refuse(response: ServerResponse, status: number, code: string, message: string): true {
  response
    .writeHead(status, {
      'Content-Type': 'application/json',
      ...(code !== '' && { 'X-Error-Code': code }),
      'X-Error-Message': message,
    })
    .end(JSON.stringify({ error: message }));
  return true;
}
