export * from './client/index.ts';
export * from './config/index.ts';
export * from './contracts/index.ts';
export * from './errors/index.ts';
export * from './limits.ts';
export * from './server/index.ts';
export * from './telemetry/index.ts';
export type { TlsFiles } from './tls/credentials.ts';
