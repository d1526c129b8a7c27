/** Cells of a row, as the shapes want them. */
import { rowError, show, type RowPlace } from '../rows.ts';

/** What every message about an unreadable shape ends with. */
export const shapes =
  'a row has messages, conversations, prompt and completion, instruction and output, text, or input_ids and labels';

export function readText(value: unknown, field: string, place: RowPlace): string {
  if (typeof value === 'string') return value;
  const problem =
    value === undefined
      ? `${field} is missing`
      : value === null
        ? `${field} is null`
        : `${field} is not text`;
  throw rowError(place, 'BAD_TEXT', problem, shapes, show(value));
}

/** Text, or nothing where there is none. */
export const readOptionalText = (value: unknown, field: string, place: RowPlace): string | undefined =>
  value === undefined || value === null || value === '' ? undefined : readText(value, field, place);

/** A list; in formats that have none (CSV, and columns that hold JSON) written as JSON. */
export function asList(value: unknown): unknown {
  if (typeof value !== 'string' || !value.trimStart().startsWith('[')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

export function readIntegers(value: unknown, field: string, place: RowPlace): number[] {
  const list = asList(value);
  if (!Array.isArray(list)) {
    throw rowError(place, 'BAD_TOKENS', `${field} is not a list`, shapes, show(value));
  }
  const at = list.findIndex((n) => !Number.isSafeInteger(n));
  if (at < 0) return list as number[];
  const problem = `${field}[${at}] is not a whole number`;
  throw rowError(place, 'BAD_TOKENS', problem, 'token ids are whole numbers', show(list[at]));
}
