/** JSON lines: one JSON object a line, UTF-8. Every line is checked; none is skipped. */
import { excerpt, rowError, type RowPlace } from '../rows.ts';
import { readLines } from './lines.ts';
import type { ReadPosition } from './read-position.ts';
import type { DataRecord } from './records.ts';

const oneALine = 'write one JSON object a line';

export async function* readJsonLines(file: string, position?: ReadPosition): AsyncGenerator<DataRecord> {
  for await (const { text, line } of readLines(file, position)) {
    const place = { file, line };
    if (text.trim() === '') {
      throw rowError(place, 'EMPTY_LINE', 'the line is empty', 'remove it: every line is one JSON object');
    }
    yield { place, value: parseObject(text, place, oneALine) };
  }
}

/** Errors: MALFORMED_LINE for what is not JSON, or not an object. */
export function parseObject(text: string, place: RowPlace, mend: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw rowError(place, 'MALFORMED_LINE', `not JSON: ${(error as Error).message}`, mend, excerpt(text));
  }
  if (isObject(value)) return value;
  throw rowError(place, 'MALFORMED_LINE', 'not a JSON object', mend, excerpt(text));
}

export const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);
