/** `tools/with-mesh.mjs`: what tests of clients in other languages stand on. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from './emloc.ts';

/** Kills the coordinator, waits until another process of it listens where it did, and says what it saw. */
const command = `
  const { connect } = require('node:net');
  const post = async (path) => {
    const answer = await fetch(process.env.EMLOC_MESH_CONTROL + path, { method: 'POST' });
    return { status: answer.status, ...(await answer.json()) };
  };
  const listens = () =>
    new Promise((resolve) => {
      const [host, port] = process.env.EMLOC_ADDRESS.split(':');
      const socket = connect(Number(port), host, () => resolve(true)).on('error', () => resolve(false));
      socket.on('close', () => socket.destroy());
    });
  (async () => {
    const killed = await post('/kill/coordinator');
    let next = await post('/continue/coordinator');
    while (next.pid === undefined || next.pid === killed.pid || !(await listens())) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      next = await post('/continue/coordinator');
    }
    const unknown = await post('/kill/nobody');
    console.log(JSON.stringify({ killed, next, unknown, home: process.env.EMLOC_HOME, training: process.env.EMLOC_TRAINING_ADDRESS }));
    process.exit(7);
  })();
`;

test('a command runs beside a mesh of its own, may kill its services, and leaves nothing behind', () => {
  const script = join(repositoryRoot, 'tools', 'with-mesh.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, process.execPath, '-e', command], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(7);
  const seen = JSON.parse(stdout) as {
    killed: { pid: number };
    next: { pid: number };
    unknown: object;
    home: string;
    training: string;
  };
  expect(seen.next.pid).not.toBe(seen.killed.pid);
  expect(seen.unknown).toMatchObject({ status: 404 });
  expect(seen.training).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(existsSync(dirname(seen.home))).toBe(false);
  expect(() => process.kill(seen.next.pid, 0)).toThrow('ESRCH');
});
