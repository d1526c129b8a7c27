/** What comes from elsewhere: wheels by the user's pip, models of a hub, archives, the caches that keep them, locks around them. */
export * from './cache-directory.ts';
export * from './disk-space.ts';
export * from './file-lock.ts';
export * from './hub/index.ts';
export { findPip, pythonCommands, type Pip } from './pip.ts';
export * from './pip-download.ts';
export * from './progress.ts';
export * from './unzip.ts';
