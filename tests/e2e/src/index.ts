/** What tests of whole commands share. */
export * from './emloc.ts';
export * from './golden.ts';
