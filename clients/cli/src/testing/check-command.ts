/** Parses a command line as `emloc` does, and does no work. Throws what `emloc` would have refused. */
import { PassThrough } from 'node:stream';
import { CommanderError } from 'commander';
import { EmlocError } from '@emloc/errors';
import { buildProgram } from '../program.ts';

export async function checkCommand(args: readonly string[]): Promise<void> {
  let begun = false;
  const start = (): Promise<void> => {
    begun = true;
    return Promise.resolve();
  };
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const program = await buildProgram({ streams, environment: {}, start, asked: args });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // The help and the version, which were asked for.
    if (error instanceof CommanderError && error.exitCode === 0) return;
    // What the job file holds is not part of the command line.
    if (error instanceof EmlocError && error.code === 'NOT_FOUND' && error.field === '--config') return;
    throw error;
  }
  if (!begun) throw new Error(`emloc ${args.join(' ')} names no command that works`);
}
