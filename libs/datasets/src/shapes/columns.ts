/** Columns of other names: which column of the file is to be taken for which of ours. */
import { nearest } from '@emloc/errors';
import type { DataRecord } from '../formats/records.ts';
import { rowError } from '../rows.ts';

export interface ColumnNames {
  readonly messages?: string;
  readonly prompt?: string;
  readonly completion?: string;
  readonly text?: string;
  readonly tools?: string;
}

/** Which of ours say what shape a row has; where one of them is named, no other column is looked at. */
const shaping = ['messages', 'prompt', 'completion', 'text'] as const;

/** The record under our names. Errors: UNKNOWN_COLUMN where a column that was named is not there. */
export function renameColumns({ value, place }: DataRecord, columns: ColumnNames): DataRecord['value'] {
  const named = shaping.filter((name) => columns[name] !== undefined);
  const renamed: Record<string, unknown> = {};
  for (const name of named) {
    const column = columns[name] as string;
    if (!(column in value)) throw unknownColumn({ value, place }, name, column);
    renamed[name] = value[column];
  }
  // One half of a pair may keep its usual name.
  if (named.includes('completion') && !named.includes('prompt')) renamed['prompt'] = value['prompt'];
  if (named.includes('prompt') && !named.includes('completion')) renamed['completion'] = value['completion'];
  const tools = value[columns.tools ?? 'tools'];
  return { ...(named.length === 0 ? value : renamed), ...(tools === undefined ? {} : { tools }) };
}

function unknownColumn({ value, place }: DataRecord, name: string, column: string): Error {
  const names = Object.keys(value);
  const [near] = nearest(column, names);
  const mend = near === undefined ? `give --${name}-column one of them` : `did you mean ${near}?`;
  const problem = `no column ${column}; there are ${names.join(', ')}`;
  return rowError(place, 'UNKNOWN_COLUMN', problem, mend, column);
}

/** Other people's names for a pair, to say how it would be mapped. */
const pairs = [
  ['question', 'answer'],
  ['query', 'response'],
  ['input', 'output'],
  ['source', 'target'],
  ['prompt', 'chosen'],
] as const;

/** Options that would make these columns readable, where their names suggest it. */
export function suggestMapping(names: readonly string[]): string | undefined {
  const pair = pairs.find(([a, b]) => names.includes(a) && names.includes(b));
  if (pair !== undefined) return `--prompt-column ${pair[0]} --completion-column ${pair[1]}`;
  const text = names.find((name) => /^(content|document|body|article)$/i.test(name));
  return text === undefined ? undefined : `--text-column ${text}`;
}
