/** One option as a row: flags, words, default and parser stand together, and `--help` shows them all. */
import { Option, type Command } from 'commander';

export interface OptionRow {
  readonly flags: string;
  readonly says: string;
  readonly default?: unknown;
  readonly parse?: (typed: string) => unknown;
  readonly required?: boolean;
}

/** Adds the rows to a command, in order, under a heading of `--help`. */
export function addOptions(command: Command, heading: string, rows: readonly OptionRow[]): void {
  command.optionsGroup(`${heading}:`);
  for (const row of rows) {
    const option = new Option(row.flags, row.says).helpGroup(`${heading}:`);
    if (row.parse !== undefined) option.argParser(row.parse);
    if (row.default !== undefined) option.default(row.default);
    if (row.required) option.makeOptionMandatory();
    command.addOption(option);
  }
}
