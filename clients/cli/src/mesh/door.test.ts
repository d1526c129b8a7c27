import { expect, test } from 'vitest';
import { Door } from './door.ts';
import { Lease } from './lease.ts';
import type { MeshFile } from './mesh-file.ts';

async function openDoor() {
  const heard: string[] = [];
  const door = await Door.open({ onUnused: () => heard.push('unused'), onKill: () => heard.push('kill') });
  const mesh = (token = door.token): MeshFile => ({
    pid: process.pid,
    startedAt: '',
    control: { port: door.port, token },
    addresses: {
      calibration: '',
      compression: '',
      training: '',
      correction: '',
      inference: '',
      coordinator: '',
    },
  });
  return { door, heard, mesh };
}

test('the mesh is unused when its last user leaves, not before', async () => {
  const { door, heard, mesh } = await openDoor();
  const first = await Lease.take(mesh());
  const second = await Lease.take(mesh());
  await first?.release();
  expect(heard).toEqual([]);
  const leaving = second?.release();
  await expect.poll(() => heard).toEqual(['unused']);
  door.close();
  await leaving;
});

test('who waits for the mesh to be gone waits until it is', async () => {
  const { door, heard, mesh } = await openDoor();
  const lease = await Lease.take(mesh());
  let gone = false;
  const leaving = lease?.release('kill').then(() => (gone = true));
  await expect.poll(() => heard).toEqual(['kill']);
  expect(gone).toBe(false);
  door.close();
  await leaving;
  expect(gone).toBe(true);
});

test('without the word nobody comes in', async () => {
  const { door, mesh } = await openDoor();
  expect(await Lease.take(mesh('0'.repeat(48)))).toBeUndefined();
  door.close();
});

test('a mesh that is stopping takes no new user', async () => {
  const { door, mesh } = await openDoor();
  door.shut();
  expect(await Lease.take(mesh())).toBeUndefined();
  door.close();
});

test('nobody opens where no mesh is', async () => {
  const { door, mesh } = await openDoor();
  const file = mesh();
  door.close();
  expect(await Lease.take(file)).toBeUndefined();
});

test('a user is told when the mesh goes away', async () => {
  const { door, mesh } = await openDoor();
  const lease = await Lease.take(mesh());
  const lost = new Promise<void>((resolve) => lease?.onLost(resolve));
  door.close();
  await lost;
});
