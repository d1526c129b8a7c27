/** CSV and TSV (RFC 4180: quotes, quoted line breaks, doubled quotes), the first line names the columns. By csv-parse. */
import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { fileError, rowError } from '../rows.ts';
import { maxRowBytes } from './lines.ts';
import { openBytes, unpackError } from './open-bytes.ts';
import type { ReadPosition } from './read-position.ts';
import type { DataRecord } from './records.ts';

/** What csv-parse yields with `info`. */
interface Parsed {
  readonly record: Record<string, string>;
  /** Lines up to the end of the record. */
  readonly info: { readonly lines: number };
}

export async function* readDelimited(
  file: string,
  delimiter: ',' | '\t',
  position?: ReadPosition,
): AsyncGenerator<DataRecord> {
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    skip_empty_lines: true,
    // In tab-separated files a quote is mostly a character like any other.
    relax_quotes: delimiter === '\t',
    max_record_size: maxRowBytes,
    columns: (header: string[]) => checkHeader(header, file),
  });
  // The callback is there to take the error, which the parser's iterator throws, too.
  pipeline(await openBytes(file, position), parser, () => undefined);
  let line = 2;
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      yield { place: { file, line }, value: record };
      line = info.lines + 1;
    }
  } catch (error) {
    throw error instanceof CsvError ? told(error, file) : unpackError(file, error);
  } finally {
    parser.destroy();
  }
}

function checkHeader(header: string[], file: string): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw fileError(
    file,
    'DUPLICATE_COLUMN',
    `has the column ${JSON.stringify(twice)} twice`,
    'rename one of them',
  );
}

/** The library's codes, for people. */
function told(error: CsvError, file: string): Error {
  const { lines } = error as CsvError & { readonly lines?: number };
  const place = { file, line: lines ?? 1 };
  const mend = 'one line a row, as many cells as the header; cells with separators or line breaks in quotes';
  const problem = error.message
    .replace(/\.? ?(on|at) line \d+\.?$/, '')
    .replace(/^[A-Z]/, (c) => c.toLowerCase());
  return rowError(place, 'MALFORMED_LINE', problem, mend);
}
