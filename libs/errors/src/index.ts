export * from './emloc-error.ts';
