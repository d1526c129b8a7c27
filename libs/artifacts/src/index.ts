export * from './artifact-store.ts';
export * from './canonical-json.ts';
export * from './digest.ts';
export * from './digest-cache.ts';
export * from './relative-path.ts';
export * from './results.ts';
export * from './staging.ts';
export * from './tree.ts';
