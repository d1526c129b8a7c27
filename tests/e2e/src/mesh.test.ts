/** The local mesh: shared by terminals, started once, gone with the last of its users, whatever way they end. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { until, Workplace } from './emloc.ts';

const work = new Workplace();
afterEach(() => work.quiet());
afterAll(() => work.dispose());

const meshFile = (): { pid: number; addresses: Record<string, string> } =>
  JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8'));

test('emloc up prints addresses as JSON, a second terminal shares the mesh, Ctrl-C ends it', async () => {
  const up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  const printed = JSON.parse(up.stdout()) as {
    pid: number;
    started: boolean;
    addresses: Record<string, string>;
  };
  expect(printed.started).toBe(true);
  expect(Object.keys(printed.addresses).sort()).toEqual(
    ['calibration', 'compression', 'coordinator', 'correction', 'inference', 'training'].sort(),
  );

  const list = await work.run('jobs', 'list');
  expect(list).toMatchObject({ code: 0, stdout: 'no jobs\n' });
  expect(list.stderr).not.toContain('starting the mesh');
  expect(meshFile().pid).toBe(printed.pid);

  const served = await work.run('jobs', 'list', '--server', printed.addresses['coordinator'] ?? '');
  expect(served).toMatchObject({ code: 0, stdout: 'no jobs\n' });

  up.child.kill('SIGINT');
  expect((await up.done).code).toBe(0);
  await expect.poll(() => work.processes()).toEqual([]);
  expect(existsSync(join(work.home, 'mesh.json'))).toBe(false);
});

test('two commands at once share one mesh, which goes with the later of them', async () => {
  const [a, b] = await Promise.all([work.run('jobs', 'list'), work.run('jobs', 'list')]);
  expect([a.code, b.code]).toEqual([0, 0]);
  const starts = [a, b].filter(({ stderr }) => stderr.includes('starting the mesh'));
  expect(starts.length).toBeGreaterThanOrEqual(1);
  await work.quiet();
});

test('the file of a mesh that is gone does no harm', async () => {
  const up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  const stale = readFileSync(join(work.home, 'mesh.json'), 'utf8');
  up.child.kill('SIGINT');
  await up.done;
  writeFileSync(join(work.home, 'mesh.json'), stale);
  expect(await work.run('jobs', 'list')).toMatchObject({ code: 0 });
});

test('a mesh whose starter is killed goes too', async () => {
  const up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  up.child.kill('SIGKILL');
  await up.done;
  await work.quiet();
});

test('services whose mesh is killed go too, and its user is told', async () => {
  const up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  process.kill(meshFile().pid, 'SIGKILL');
  const { code, stderr } = await up.done;
  expect(code).toBe(1);
  expect(stderr).toContain('the local mesh ended while it was in use');
  await work.quiet();
});

test('a service that dies is started again where it was', async () => {
  const up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  const coordinator = work
    .processes()
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('services/coordinator/src/main.'));
  process.kill(coordinator ?? 0, 'SIGKILL');
  const list = await work.run('jobs', 'list');
  expect(list).toMatchObject({ code: 0, stdout: 'no jobs\n' });
  up.child.kill('SIGINT');
  await up.done;
});
