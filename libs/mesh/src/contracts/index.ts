export * from './load-package.ts';
export * from './message-codec.ts';
export * from './proto-dirs.ts';
