/**
 * Where downloads are kept for the next time, outside any checkout: EMLOC_CACHE, else XDG_CACHE_HOME/emloc, else
 * ~/.cache/emloc. The folder need not exist yet.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.EMLOC_CACHE) return resolve(env.EMLOC_CACHE);
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'emloc');
}
