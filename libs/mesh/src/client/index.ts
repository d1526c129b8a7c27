export * from './connect.ts';
export * from './options.ts';
export * from './resume-stream.ts';
