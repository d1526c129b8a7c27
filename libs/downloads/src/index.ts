export * from './cache-directory.ts';
export * from './file-lock.ts';
export * from './pip-download.ts';
export * from './progress.ts';
export * from './unzip.ts';
