/** What a command is given to work with. */
import type { Home } from './mesh/home.ts';
import type { ErrorStream, Output } from './output/output.ts';

export interface CommandContext {
  readonly output: Output;
  readonly environment: NodeJS.ProcessEnv;
  /** What was typed after `emloc`. */
  readonly args: readonly string[];
  readonly home: Home;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stderr: ErrorStream;
  /** Aborts at the first Ctrl-C (or SIGTERM, SIGHUP): pause, clean up, throw. */
  readonly signal: AbortSignal;
  /** What a second Ctrl-C does before the process ends at once. Returns a function that takes it back. */
  onKill(kill: () => Promise<void>): () => void;
}

/** Runs a command's work with a context made from its options. */
export type Start = (
  options: { readonly json?: boolean },
  work: (context: CommandContext) => Promise<void>,
) => Promise<void>;
