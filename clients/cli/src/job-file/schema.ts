/** The JSON Schema of a job file, for editors: made of the options, so that it says what `--help` says. */
import type { Accepts } from '../options/values.ts';
import type { JobFileField } from './fields.ts';

type Schema = Readonly<Record<string, unknown>>;

export function jobFileSchema(fields: readonly JobFileField[]): Schema {
  const properties = fields.flatMap((field) => [
    [field.key, schemaOf(field)] as const,
    ...field.aliases.map(
      (alias) => [alias, { ...schemaOf(field), description: `The same as ${field.key}.` }] as const,
    ),
  ]);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'emloc.yaml: a job of emloc finetune',
    description:
      'Options of `emloc finetune` in snake case. Paths are meant from where the file lies. What is typed on the command line wins.',
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

function schemaOf(field: JobFileField): Schema {
  const { row, value, negated } = field;
  const description = `${field.heading}. ${sentence(negated ? `if false: ${row.says}` : row.says)}`;
  const fallback = field.default === undefined ? {} : { default: field.default };
  return { description, ...typeOf(value, row.parse?.accepts), ...fallback };
}

function typeOf(value: string | undefined, accepts: Accepts | undefined): Schema {
  if (value === undefined) return { type: 'boolean' };
  if (value === 'modules') {
    return { oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] };
  }
  if (accepts?.kind === 'words') return { type: 'string', enum: accepts.words };
  if (accepts?.kind !== 'number') return { type: 'string', minLength: 1 };
  const { min, max, aboveMin, belowMax, whole } = accepts.range;
  const number = {
    type: whole ? 'integer' : 'number',
    ...(min === undefined ? {} : { [aboveMin ? 'exclusiveMinimum' : 'minimum']: min }),
    ...(max === undefined ? {} : { [belowMax ? 'exclusiveMaximum' : 'maximum']: max }),
  };
  return accepts.word === undefined ? number : { oneOf: [number, { type: 'string', const: accepts.word }] };
}

const sentence = (says: string): string => `${says.slice(0, 1).toUpperCase()}${says.slice(1)}.`;
