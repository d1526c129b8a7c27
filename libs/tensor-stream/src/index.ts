export * from './dtype.ts';
