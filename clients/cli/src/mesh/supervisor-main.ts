/**
 * The process that owns a local mesh. A command starts it when no mesh is up; it starts the services, says on its
 * channel that they are up, opens the door to users, and ends with the last of them (or by signal, or with its starter
 * as long as the mesh is not up).
 */
import { EmlocError } from '@emloc/errors';
import { withFileLock } from '@emloc/downloads';
import { Door } from './door.ts';
import { emlocHome } from './home.ts';
import { LocalMesh } from './local-mesh.ts';
import { removeMeshFile, writeMeshFile } from './mesh-file.ts';

/** An earlier mesh may still be stopping. */
const earlierMeshMs = 45_000;

const home = emlocHome();
const mesh = new LocalMesh(home, process.env);
const ending = new AbortController();
const end = (): void => ending.abort();
process.on('SIGTERM', end);
process.on('SIGINT', end);
process.on('SIGHUP', end);
process.on('disconnect', end);
process.on('exit', () => mesh.kill());

try {
  await withFileLock(home.meshLock, superviseMesh, { signal: ending.signal, timeoutMs: earlierMeshMs });
} catch (thrown) {
  const { code, reason, message, mend } = EmlocError.from(thrown);
  await tell({ error: { code, reason, message, mend } });
  process.exitCode = 1;
}
process.exit();

async function superviseMesh(): Promise<void> {
  const door = await Door.open({
    onUnused: end,
    onKill: () => {
      mesh.kill();
      end();
    },
  });
  try {
    const addresses = await mesh.start(ending.signal);
    const control = { port: door.port, token: door.token };
    await writeMeshFile(home.meshFile, {
      pid: process.pid,
      startedAt: new Date().toISOString(),
      control,
      addresses,
    });
    door.expectUser();
    process.off('disconnect', end);
    await tell({ ready: true });
    await aborted(ending.signal);
  } finally {
    door.shut();
    await removeMeshFile(home.meshFile);
    await mesh.stop();
    // The connections of those who wait are left to the end of this process: then what they see is true.
  }
}

function tell(message: object): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, () => resolve());
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
