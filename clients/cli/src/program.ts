/**
 * The commands and their help. Each command's file is loaded only when that command is asked for, so that `emloc --help`
 * answers at once.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Start } from './context.ts';
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
];

export async function buildProgram(
  args: readonly string[],
  streams: Streams,
  start: Start,
): Promise<Command> {
  const program = new Command('emloc')
    .description('Memory-efficient fine-tuning: train a LoRA adapter within the memory of inference.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .addHelpText(
      'after',
      example(
        'emloc finetune --model ./SmolLM2-135M-Instruct --data train.jsonl --output ./tuned --ratio 0.5',
      ) +
        '\nEach command uses the local mesh that is up (emloc up), or starts one and stops it.' +
        '\nExit codes: 0 done, 1 failure, 2 wrong usage, 130 interrupted.',
    )
    .showSuggestionAfterError(true);
  configure(program, streams);
  const asked = new Set(args.filter((arg) => !arg.startsWith('-')).slice(0, 2));
  for (const { name, summary, load } of commandEntries) {
    const command = program.command(name).summary(summary).description(summary);
    configure(command, streams);
    if (asked.has(name)) (await load()).define(command, start);
  }
  return program;
}

/** Throw where commander would exit; errors are printed in one place. */
export function configure(command: Command, streams: Streams): Command {
  return command.exitOverride().configureOutput({
    writeOut: (text) => void streams.stdout.write(text),
    writeErr: (text) =>
      void (text.startsWith('error:') || text.startsWith('(Did you mean')
        ? undefined
        : streams.stderr.write(text)),
    outputError: () => undefined,
  });
}

export const example = (...lines: string[]): string =>
  `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
