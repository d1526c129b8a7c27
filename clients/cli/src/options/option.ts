/** One option as a row: flags, words, default and parser stand together, and `--help` shows them all. */
import { Option, type Command } from 'commander';
import { UsageError } from '../usage-error.ts';
import type { ValueParser } from './values.ts';

export interface OptionRow {
  readonly flags: string;
  readonly says: string;
  readonly default?: unknown;
  readonly parse?: ValueParser<unknown>;
  readonly required?: boolean;
}

/** An option that knows its row: what it takes is told to completion, to the job file and to the reference. */
export class RowOption extends Option {
  readonly row: OptionRow;
  readonly heading: string;

  constructor(row: OptionRow, heading: string) {
    super(row.flags, row.required ? `${row.says} (required)` : row.says);
    this.row = row;
    this.heading = heading;
    this.helpGroup(`${heading}:`);
    if (row.parse !== undefined) this.argParser(row.parse);
    if (row.default !== undefined) this.default(row.default);
  }
}

/** What stands in a command line for the value: `dir` of `--model <dir>`; undefined for a switch. */
export const valueName = (flags: string): string | undefined => /[<[](.+)[>\]]$/.exec(flags)?.[1];

/** Adds the rows to a command, in order, under a heading of `--help`. */
export function addOptions(command: Command, heading: string, rows: readonly OptionRow[]): void {
  command.optionsGroup(`${heading}:`);
  for (const row of rows) {
    const option = new RowOption(row, heading);
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
