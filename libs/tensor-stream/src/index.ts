export * from './errors.ts';
export * from './dtype.ts';
