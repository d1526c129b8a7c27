/**
 * Where this user's mesh keeps its state: EMLOC_HOME, else XDG_DATA_HOME/emloc, else ~/.local/share/emloc. Terminals
 * that share the folder share the mesh. Downloads lie elsewhere (the cache).
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface Home {
  readonly directory: string;
  /** Names the mesh that is up: `mesh.json`. */
  readonly meshFile: string;
  /** Held by who looks for a mesh or starts one, so that two commands do not start two. */
  readonly startLock: string;
  /** Held by the mesh that is up, for as long as it lives. */
  readonly meshLock: string;
  readonly logs: string;
}

export function emlocHome(environment: NodeJS.ProcessEnv = process.env): Home {
  const directory = homeDirectory(environment);
  return {
    directory,
    meshFile: join(directory, 'mesh.json'),
    startLock: join(directory, 'mesh-start.lock'),
    meshLock: join(directory, 'mesh.lock'),
    logs: join(directory, 'logs'),
  };
}

function homeDirectory(environment: NodeJS.ProcessEnv): string {
  if (environment['EMLOC_HOME']) return resolve(environment['EMLOC_HOME']);
  const data = environment['XDG_DATA_HOME'];
  return join(data ? resolve(data) : join(homedir(), '.local', 'share'), 'emloc');
}
