/** One option as a row: flags, words, default and parser stand together, and `--help` shows them all. */
import { Option, type Command } from 'commander';
import { UsageError } from '../usage-error.ts';

export interface OptionRow {
  readonly flags: string;
  readonly says: string;
  readonly default?: unknown;
  /** `before`: what earlier ones of an option that may come again have made. */
  readonly parse?: (typed: string, before: unknown) => unknown;
  readonly required?: boolean;
}

/** Adds the rows to a command, in order, under a heading of `--help`. */
export function addOptions(command: Command, heading: string, rows: readonly OptionRow[]): void {
  command.optionsGroup(`${heading}:`);
  for (const row of rows) {
    const says = row.required ? `${row.says} (required)` : row.says;
    const option = new Option(row.flags, says).helpGroup(`${heading}:`);
    if (row.parse !== undefined) option.argParser(row.parse);
    if (row.default !== undefined) option.default(row.default);
    command.addOption(option);
    if (row.required) requireOption(command, option);
  }
}

/** Our own check, after commander's parsing: a mistyped `--modle` is then told as that, not as a missing `--model`. */
function requireOption(command: Command, option: Option): void {
  command.hook('preAction', (self) => {
    if (self.opts()[option.attributeName()] !== undefined) return;
    throw new UsageError('MISSING_OPTION', `${option.long} is not given`, {
      field: option.long,
      mend: `give ${option.flags}, or see --help`,
    });
  });
}
