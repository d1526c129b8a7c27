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
  const error = laidAtOption(thrown, args);
  if (!(error instanceof EmlocError) || error.code !== 'NOT_FOUND') return error;
  if (error.field !== '--model' || !given(args, '--server')) return error;
  return error.with({
    mend: "with --server a model is a path in that mesh's model roots, not a name of the hub: pull it there first",
  });
}

function laidAtOption(thrown: unknown, args: readonly string[]): unknown {
  if (!(thrown instanceof EmlocError) || thrown.field?.startsWith('--')) return thrown;
  const flag = fieldFlags(thrown.field).find((candidate) => given(args, candidate));
  return flag === undefined ? thrown : thrown.with({ field: flag });
}

/** The options that a field may mean, the innermost part first; an option's own name means itself. */
export function fieldFlags(field: string | undefined): readonly string[] {
  if (field === undefined || field.startsWith('--')) return field === undefined ? [] : [field];
  return field
    .split('.')
    .reverse()
    .map((part) => `--${optionOf[part] ?? part.replaceAll('_', '-')}`);
}

const given = (args: readonly string[], flag: string): boolean =>
  args.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
