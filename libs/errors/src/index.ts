export * from './emloc-error.ts';
export { nearest } from './nearest.ts';
