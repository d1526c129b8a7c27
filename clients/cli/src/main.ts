/** The process: run the command line, leave its exit code. */
import { run } from './run.ts';

// `emloc jobs list | head`: who reads no further is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await run(process.argv.slice(2));
