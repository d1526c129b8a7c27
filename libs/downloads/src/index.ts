/** What comes from elsewhere: wheels by the user's pip, archives, the cache that keeps them, locks around it. */
export * from './cache-directory.ts';
export * from './disk-space.ts';
export * from './file-lock.ts';
export { findPip, pythonCommands, type Pip } from './pip.ts';
export * from './pip-download.ts';
export * from './progress.ts';
export * from './unzip.ts';
