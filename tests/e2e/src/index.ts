/** What tests of whole commands share. */
export * from './byte-tokenizer.ts';
export * from './emloc.ts';
export * from './golden.ts';
