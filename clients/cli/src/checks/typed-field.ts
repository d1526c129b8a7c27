/** A service names a field of its request (`options.learning_rate`); the user typed `--learning-rate`. */
import { EmlocError } from '@emloc/errors';

/** Where the option has another name than the field. */
const optionOf: Readonly<Record<string, string>> = {
  dataset: 'data',
  eval_dataset: 'eval-data',
  held_out: 'eval-data',
};

/** The error laid at the option that was typed: that of the innermost part of the field that has one. */
export function asTyped(thrown: unknown, args: readonly string[]): unknown {
  if (!(thrown instanceof EmlocError) || thrown.field === undefined || thrown.field.startsWith('--'))
    return thrown;
  const flag = thrown.field
    .split('.')
    .reverse()
    .map((part) => `--${optionOf[part] ?? part.replaceAll('_', '-')}`)
    .find((candidate) => args.some((arg) => arg === candidate || arg.startsWith(`${candidate}=`)));
  return flag === undefined ? thrown : thrown.with({ field: flag });
}
