export * from './handlers.ts';
export * from './start-server.ts';
export * from './stop-on-signals.ts';
