/** The rows of a file as objects of column and value, whatever the format; what they mean is not asked here. */
import type { RowPlace } from '../rows.ts';
import { readDelimited } from './delimited.ts';
import type { DataFormat } from './format.ts';
import { readJson } from './json.ts';
import { readJsonLines } from './json-lines.ts';
import { readParquet } from './parquet.ts';
import type { ReadPosition } from './read-position.ts';

export interface DataRecord {
  readonly place: RowPlace;
  readonly value: Readonly<Record<string, unknown>>;
}

/** One at a time: the file is never held whole. Errors are at the row that they are about. */
export function readRecords(
  file: string,
  format: Exclude<DataFormat, 'text'>,
  position?: ReadPosition,
): AsyncGenerator<DataRecord> {
  if (format === 'jsonl') return readJsonLines(file, position);
  if (format === 'json') return readJson(file, position);
  if (format === 'parquet') return readParquet(file, position);
  return readDelimited(file, format === 'csv' ? ',' : '\t', position);
}
