/** The command line as completion sees it: commands, their options, and what each takes. Made of the commander program. */
import { Option, type Argument, type Command, type Help } from 'commander';
import { RowOption, valueName } from '../options/option.ts';

export type Taken =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  /** The id of a job that is there. */
  | { readonly kind: 'job' }
  /** A number, a name, a text: nothing is offered. */
  | { readonly kind: 'other' };

export interface OptionSpec {
  /** Every spelling, such as `-h` and `--help`. */
  readonly flags: readonly string[];
  readonly says: string;
  readonly value: { readonly name: string; readonly taken: Taken } | undefined;
  /** It may be given again. */
  readonly again: boolean;
}

export interface CommandSpec {
  /** `jobs list`; '' for emloc itself. */
  readonly path: string;
  readonly says: string;
  readonly options: readonly OptionSpec[];
  readonly arguments: readonly { readonly name: string; readonly taken: Taken }[];
  readonly commands: readonly CommandSpec[];
}

export function commandSpec(command: Command, path = ''): CommandSpec {
  const help = command.createHelp();
  return {
    path,
    says: help.subcommandDescription(command),
    options: help.visibleOptions(command).map(optionSpec),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      taken: takenBy(argument, argument.name()),
    })),
    commands: help.visibleCommands(command).flatMap((sub) => subcommand(command, sub, path, help)),
  };
}

/** Every command of the tree, emloc itself first. */
export const allCommands = (spec: CommandSpec): readonly CommandSpec[] => [
  spec,
  ...spec.commands.flatMap(allCommands),
];

/** `emloc help` takes the name of a command; that of a group of commands is left out, as it says what `--help` says. */
function subcommand(parent: Command, sub: Command, path: string, help: Help): CommandSpec[] {
  const isHelp = sub.name() === 'help';
  if (isHelp && path !== '') return [];
  const spec = commandSpec(sub, path === '' ? sub.name() : `${path} ${sub.name()}`);
  if (!isHelp) return [spec];
  const words = help.visibleCommands(parent).map((command) => command.name());
  return [{ ...spec, options: [], arguments: [{ name: 'command', taken: { kind: 'words', words } }] }];
}

function optionSpec(option: Option): OptionSpec {
  const name = valueName(option.flags);
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    says: short(option instanceof RowOption ? option.row.says : option.description),
    value: name === undefined ? undefined : { name, taken: takenBy(option, name) },
    again: option instanceof RowOption && option.row.parse?.accepts.kind === 'again',
  };
}

function takenBy(what: Option | Argument, name: string): Taken {
  const accepts = what instanceof RowOption ? what.row.parse?.accepts : undefined;
  const words = accepts?.kind === 'words' ? accepts.words : what.argChoices;
  if (words !== undefined) return { kind: 'words', words };
  if (name === 'id' && (!(what instanceof Option) || what.long === '--job')) return { kind: 'job' };
  if (/^(\[name=\])?dir$/.test(name)) return { kind: 'directory' };
  return name === 'file' || name === 'path' ? { kind: 'file' } : { kind: 'other' };
}

const mostLetters = 70;

/** The first thing that is said: shells show it on one line. */
function short(says: string): string {
  const first = says.split(/ \(default|; |: (?=auto|JSON lines)/)[0] ?? says;
  return first.length <= mostLetters ? first : `${first.slice(0, mostLetters - 1).trimEnd()}…`;
}
