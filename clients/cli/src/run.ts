/** The command line as a function: arguments in, an exit code out. */
import { CommanderError } from 'commander';
import { asTyped } from './checks/typed-field.ts';
import type { Start } from './context.ts';
import { exitCode } from './exit-codes.ts';
import type { Streams } from './output/output.ts';
import { buildProgram } from './program.ts';
import { report, withContext } from './run-work.ts';
import { traced } from './traced.ts';
import { UsageError } from './usage-error.ts';

export interface RunOptions {
  readonly streams?: Streams;
  readonly environment?: NodeJS.ProcessEnv;
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<number> {
  const { streams = process, environment = process.env } = options;
  const surroundings = { args, streams, environment };
  let json = args.includes('--json');
  const start: Start = (chosen, work) => {
    // A job file may ask for it, too.
    json = chosen.json === true;
    return traced(commandName(args), environment, () => withContext(surroundings, json, work));
  };
  try {
    const program = await buildProgram({ streams, environment, start, asked: args });
    await program.parseAsync(args, { from: 'user' });
    return exitCode.ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCode.ok;
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    return report(surroundings, json, asTyped(error, args));
  }
}

/** `finetune`, `jobs resume`. */
function commandName(args: readonly string[]): string {
  const [name = '', sub] = args.filter((arg) => !arg.startsWith('-'));
  return sub !== undefined && commandsWithParts.has(name) ? `${name} ${sub}` : name;
}

const commandsWithParts: ReadonlySet<string> = new Set(['adapters', 'data', 'jobs', 'models']);

/** Commander's complaint as one of ours: one line, the suggestion as the mend. */
function usageError(error: CommanderError): UsageError {
  if (error.code === 'commander.help') {
    return new UsageError('NO_COMMAND', 'no command is given', { mend: 'choose one of the above' });
  }
  const [message = '', ...more] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = more
    .join(' ')
    .replace(/^\(|\)$/g, '')
    .trim();
  const field = /'(--[a-z0-9-]+)/.exec(message)?.[1];
  const mend = suggestion === '' ? 'see --help' : suggestion;
  const complaint = complaints.find(({ of }) => error.code === `commander.${of}`);
  return new UsageError(complaint?.reason ?? 'BAD_COMMAND_LINE', message, { field, mend });
}

/** Commander's codes of what a command line can have wrong. */
const complaints = [
  { of: 'unknownCommand', reason: 'UNKNOWN_COMMAND' },
  { of: 'unknownOption', reason: 'UNKNOWN_OPTION' },
  { of: 'missingArgument', reason: 'MISSING_ARGUMENT' },
  { of: 'optionMissingArgument', reason: 'OPTION_MISSING_ARGUMENT' },
  { of: 'excessArguments', reason: 'EXCESS_ARGUMENTS' },
] as const;
