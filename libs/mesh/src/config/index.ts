export * from './config.ts';
export * from './logger.ts';
export { defaultPorts } from './services.mjs';
