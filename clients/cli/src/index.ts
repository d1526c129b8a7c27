/** The command line as a function, for what drives it from a program. */
export { run, type RunOptions } from './run.ts';
