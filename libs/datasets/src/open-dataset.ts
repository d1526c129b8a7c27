/** A data file: its format known, its rows read one at a time, as often as they are needed. */
import { detectFormat, type DataFormat } from './formats/format.ts';
import { ReadPosition } from './formats/read-position.ts';
import { readRecords } from './formats/records.ts';
import { fileError } from './rows.ts';
import type { ColumnNames } from './shapes/columns.ts';
import { parseRow, type ParsedRow } from './shapes/parse-row.ts';

export interface DatasetOptions {
  /** Default: told by name and content. */
  readonly format?: DataFormat;
  /** Default: the columns have the names of a shape. */
  readonly columns?: ColumnNames;
}

export interface Dataset {
  readonly file: string;
  readonly format: DataFormat;
  /** Of every format but `text`, whose rows are cut by tokens. Each run reads the file anew, and checks every row. */
  rows(): AsyncGenerator<ParsedRow>;
  /** How far the latest run of `rows` is. */
  readonly position: ReadPosition;
}

export async function openDataset(file: string, options: DatasetOptions = {}): Promise<Dataset> {
  const format = await detectFormat(file, options.format);
  const position = new ReadPosition();
  return { file, format, position, rows: () => readRows(file, format, options.columns, position) };
}

async function* readRows(
  file: string,
  format: DataFormat,
  columns: ColumnNames | undefined,
  position: ReadPosition,
): AsyncGenerator<ParsedRow> {
  if (format === 'text') throw new RangeError('rows of plain text are made of tokens: see tokenizeDataset');
  let rows = 0;
  for await (const record of readRecords(file, format, position)) {
    rows += 1;
    yield parseRow(record, columns);
  }
  if (rows === 0) {
    throw fileError(file, 'EMPTY_DATASET', 'has no rows', 'give a data file with at least one row');
  }
}
