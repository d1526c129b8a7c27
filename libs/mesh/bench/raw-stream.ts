/**
 * How fast tensor bytes pass between two processes by gRPC: `node --import tsx libs/mesh/bench/raw-stream.ts`.
 * Prints a line a way: parsed or raw, TCP or a Unix socket, 1 MiB chunks, 1 GiB in all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { messageCodec, raw } from '../src/index.ts';
import { callEcho, serveEcho, type EchoRequest } from '../src/testing/echo.ts';

const chunkBytes = 2 ** 20;
const chunks = 1024;

async function serve(address: string): Promise<void> {
  const payload = Buffer.alloc(chunkBytes, 1);
  const encoded = messageCodec('emloc.test.v1.EchoResponse').encode({ payload });
  const server = await serveEcho(
    {
      count: async function* ({ count }: EchoRequest) {
        for (let i = 0; i < (count ?? 0); i += 1) yield { payload };
      },
      chat: raw(async function* (requests: AsyncIterable<Buffer>) {
        for await (const _ of requests) for (let i = 0; i < chunks; i += 1) yield encoded;
      }),
    },
    { address },
  );
  console.log(server.address);
}

async function measure(address: string): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [bound] = (await once(createInterface(child.stdout), 'line')) as [string];
  const echo = callEcho(bound);
  const where = bound.startsWith('unix:') ? 'Unix socket' : 'TCP loopback';
  const time = async (way: string, stream: AsyncIterable<unknown>): Promise<void> => {
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    for await (const _ of stream);
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const megabytes = (chunks * chunkBytes) / 1e6;
    console.log(
      `${where}, ${way}: ${Math.round(megabytes / seconds)} MB/s, reader ${(user + system) / 1e6} CPU-s`,
    );
  };
  await time('warm-up', echo.call.count({ count: chunks / 8 }));
  await time('parsed', echo.call.count({ count: chunks }));
  await time('raw', echo.raw.chat([{}]));
  echo.close();
  child.kill();
}

const [address] = process.argv.slice(2);
if (address !== undefined) await serve(address);
else {
  await measure('127.0.0.1:0');
  await measure(`unix:${join(tmpdir(), `emloc-bench-${process.pid}.sock`)}`);
}
