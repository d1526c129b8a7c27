/** One at a time, over processes: a socket in Linux's abstract namespace, which the kernel frees when its process ends. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const askEveryMs = 500;
const sayEveryMs = 15_000;

/** Runs `work` when no other process holds the lock of that name; says so while it waits. */
export async function withLock(name, say, work) {
  const address = `\0emloc-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  let waitedMs = 0;
  let server;
  while ((server = await tryListen(address)) === undefined) {
    if (waitedMs % sayEveryMs === 0) say('another process is making it, waiting');
    await sleep(askEveryMs);
    waitedMs += askEveryMs;
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

function tryListen(address) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(address, () => resolve(server));
  });
}
