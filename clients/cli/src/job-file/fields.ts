/**
 * The fields of a job file: the options of `emloc finetune`, as they are named there, in snake case. The options are the
 * only list; the schema, the template and the reader are made of it.
 */
import type { Command } from 'commander';
import { RowOption, valueName } from '../options/option.ts';
import type { OptionRow } from '../options/option.ts';

export interface JobFileField {
  /** As in the file: `learning_rate`. */
  readonly key: string;
  /** Other names of the same, such as `batch_size`. */
  readonly aliases: readonly string[];
  /** As commander keeps the value: `learningRate`. */
  readonly attribute: string;
  /** As typed: `--learning-rate`. */
  readonly flag: string;
  readonly heading: string;
  readonly row: OptionRow;
  readonly option: RowOption;
  /** `dir`, `rate`, …; undefined: the field is true or false. */
  readonly value: string | undefined;
  /** Of a `--no-…` option, whose field says the contrary. */
  readonly negated: boolean;
  readonly default: unknown;
}

export const configFlag = '--config';

/** In the order of `--help`. An option and its `--no-…` are one field. */
export function jobFileFields(command: Command): readonly JobFileField[] {
  const fields = command.options.flatMap((option) =>
    option instanceof RowOption && option.long !== configFlag ? [fieldOf(option)] : [],
  );
  return fields.filter(
    ({ key, negated }, index) =>
      !negated || !fields.some((other, place) => other.key === key && place !== index),
  );
}

function fieldOf(option: RowOption): JobFileField {
  const { row, heading, negate, long, short } = option;
  const name = (flag: string): string => flag.replace(/^--(no-)?/, '').replaceAll('-', '_');
  return {
    key: name(long ?? ''),
    aliases: short === undefined ? [] : [name(short)],
    attribute: option.attributeName(),
    flag: long ?? '',
    heading,
    row,
    option,
    value: valueName(row.flags),
    negated: negate,
    default: negate ? true : row.default,
  };
}

/** What names a file or a directory here is meant from where the job file lies. */
export const isPath = ({ value }: JobFileField): boolean => /^(dir|file|path)$/.test(value ?? '');
