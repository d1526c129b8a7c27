/**
 * The commands and their help. Each command's file is loaded only when that command is asked for, so that `emloc --help`
 * answers at once.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { EmlocError } from '@emloc/errors';
import type { Start } from './context.ts';
import { exitCodeLine } from './exit-codes.ts';
import { colours, emphasis } from './output/colours.ts';
import type { Streams } from './output/output.ts';

/** A command's file exports one of these: it adds description, options and action to the bare command. */
export type DefineCommand = (command: Command, start: Start) => void;

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ define: DefineCommand }>;
}

export const commandEntries: readonly CommandEntry[] = [
  {
    name: 'finetune',
    summary: 'the whole job: calibrate, compress, train, correct, refine, choose',
    load: () => import('./commands/finetune.ts'),
  },
  {
    name: 'init',
    summary: 'a job file for finetune, every option in it explained',
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'calibrate',
    summary: "Gram matrices of every linear's inputs",
    load: () => import('./commands/calibrate.ts'),
  },
  {
    name: 'compress',
    summary: 'an emulator: every linear as two thin factors',
    load: () => import('./commands/compress.ts'),
  },
  {
    name: 'train',
    summary: 'a LoRA adapter on an emulator or on the original',
    load: () => import('./commands/train.ts'),
  },
  {
    name: 'correct',
    summary: 'an adapter trained on the emulator, made to fit the original',
    load: () => import('./commands/correct.ts'),
  },
  {
    name: 'merge',
    summary: 'the model with the adapter added to its weights',
    load: () => import('./commands/merge.ts'),
  },
  {
    name: 'evaluate',
    summary: 'loss, perplexity, exact matches, accuracy among choices',
    load: () => import('./commands/evaluate.ts'),
  },
  {
    name: 'generate',
    summary: 'text from a model, with or without adapters',
    load: () => import('./commands/generate.ts'),
  },
  {
    name: 'data',
    summary: 'what a data file is, in tokens of a model',
    load: () => import('./commands/data.ts'),
  },
  {
    name: 'models',
    summary: 'get a model of the hub or the demo model, convert a GGUF file',
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'adapters',
    summary: 'send an adapter to the Hugging Face hub',
    load: () => import('./commands/adapters.ts'),
  },
  {
    name: 'doctor',
    summary: 'what was found on this machine, and what is wrong',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'up',
    summary: 'a local mesh that stays, printing its addresses',
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'jobs',
    summary: 'list, get, watch, cancel, resume and delete jobs',
    load: () => import('./commands/jobs.ts'),
  },
  {
    name: 'logs',
    summary: 'what the services of the local mesh and their processes wrote',
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'completion',
    summary: 'completion of the command line for bash, zsh and fish',
    load: () => import('./commands/completion.ts'),
  },
];

export interface ProgramOptions {
  readonly streams: Streams;
  readonly environment: NodeJS.ProcessEnv;
  readonly start: Start;
  /** Words of which some may name commands: only those are loaded. Undefined: all. */
  readonly asked?: readonly string[];
}

export async function buildProgram(options: ProgramOptions): Promise<Command> {
  const program = new Command('emloc')
    .description('Memory-efficient fine-tuning: train a LoRA adapter within the memory of inference.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .showSuggestionAfterError(true);
  addExamples(
    program,
    'emloc finetune --model ./SmolLM2-135M-Instruct --data train.jsonl --output ./tuned --ratio 0.5',
    'emloc help finetune',
  ).addHelpText(
    'after',
    '\nEach command uses the local mesh that is up (emloc up), or starts one and stops it.' +
      `\nExit codes: ${exitCodeLine()}.`,
  );
  configure(program, options);
  const asked = options.asked && new Set(options.asked.filter((arg) => !arg.startsWith('-')).slice(0, 2));
  for (const { name, summary, load } of commandEntries) {
    const command = program.command(name).summary(summary).description(summary);
    configure(command, options);
    if (asked === undefined || asked.has(name)) (await load()).define(command, options.start);
  }
  return program;
}

/** Every command with its options, to be looked at: what is parsed with it starts no work. */
export const wholeProgram = (): Promise<Command> =>
  buildProgram({ streams: process, environment: {}, start: () => Promise.resolve() });

/** One command of it. */
export async function defineCommand(name: string): Promise<Command> {
  const command = (await wholeProgram()).commands.find((candidate) => candidate.name() === name);
  if (command === undefined) throw new EmlocError('NOT_FOUND', 'NO_COMMAND', `there is no command ${name}`);
  return command;
}

/** Throw where commander would exit; errors are printed in one place. */
export function configure(
  command: Command,
  { streams, environment }: Pick<ProgramOptions, 'streams' | 'environment'>,
): Command {
  return command
    .exitOverride()
    .configureHelp({ styleTitle: emphasis })
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) =>
        void (text.startsWith('error:') || text.startsWith('(Did you mean')
          ? undefined
          : streams.stderr.write(text)),
      outputError: () => undefined,
      getOutHasColors: () => colours(streams.stdout, environment),
      getErrHasColors: () => colours(streams.stderr, environment),
      getOutHelpWidth: () => columnsOf(streams.stdout),
      getErrHelpWidth: () => columnsOf(streams.stderr),
    });
}

/** Of a terminal; elsewhere every line is as long as it is on a usual one. */
const columnsOf = (stream: { readonly isTTY?: boolean; readonly columns?: number }): number =>
  (stream.isTTY ? stream.columns : undefined) ?? 80;

const examples = new WeakMap<Command, readonly string[]>();

/** Lines that can be typed, at the end of the command's help. */
export function addExamples(command: Command, ...lines: string[]): Command {
  examples.set(command, lines);
  const shown = lines.map((line) => `  $ ${line}`).join('\n');
  return command.addHelpText('after', `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${shown}\n`);
}

export const examplesOf = (command: Command): readonly string[] => examples.get(command) ?? [];

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
