/** Options are parsed once, at the border: any spelling in; typed, defaulted and frozen out. */
import { EmlocError } from '@emloc/errors';
import type { z } from 'zod';
import { camelCase, spell, type Spelling } from './option-names.ts';

/** Other names that Hugging Face's tools and our command line use. */
const aliases: Readonly<Record<string, string>> = {
  batchSize: 'perDeviceTrainBatchSize',
  r: 'loraR',
  lrScheduler: 'lrSchedulerType',
};

/**
 * Parses `input` (keys in any spelling; `undefined` counts as not given, 0 as 0) with `schema`.
 * @throws EmlocError INVALID_ARGUMENT that names the option in `spelling`.
 */
export function parseOptions<S extends z.ZodType>(
  schema: S,
  input: Readonly<Record<string, unknown>>,
  spelling: Spelling = 'snake',
): Readonly<z.output<S>> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const key = camelCase(name);
    given[aliases[key] ?? key] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data as object) as Readonly<z.output<S>>;
  throw optionError(parsed.error, given, spelling);
}

function optionError(
  error: z.ZodError,
  given: Readonly<Record<string, unknown>>,
  spelling: Spelling,
): EmlocError {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    return new EmlocError('INVALID_ARGUMENT', 'UNKNOWN_OPTION', `there is no such option`, {
      field: spell(key, spelling),
      mend: 'see the list of options',
    });
  }
  const key = String(issue?.path[0] ?? '');
  const value = given[key];
  return new EmlocError('INVALID_ARGUMENT', 'BAD_OPTION', issue?.message ?? 'not valid', {
    field: spell(key, spelling),
    ...(value === undefined ? {} : { value: JSON.stringify(value) }),
    cause: error,
  });
}

export interface OptionDescription {
  readonly key: string;
  readonly snake: string;
  readonly kebab: string;
  readonly description: string;
  /** `undefined` where an option has none. */
  readonly default: unknown;
}

/** What `--help` and the documentation say about each option of a schema, from the schema itself. */
export function describeOptions(schema: z.ZodObject): OptionDescription[] {
  return Object.entries(schema.shape).map(([key, field]) => ({
    key,
    snake: spell(key, 'snake'),
    kebab: spell(key, 'kebab'),
    description: (field as z.ZodType).description ?? '',
    default: defaultOf(field as z.ZodType),
  }));
}

function defaultOf(field: z.ZodType): unknown {
  const parsed = field.safeParse(undefined);
  return parsed.success ? parsed.data : undefined;
}
