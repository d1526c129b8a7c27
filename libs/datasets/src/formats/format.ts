/**
 * Which format a data file has. Magic bytes and the first characters decide where they can; between lines of JSON and
 * one JSON value, commas and tabs, and plain text, the name does. Where neither tells, nothing is guessed: that plain
 * text is to be learnt has to be said.
 */
import { stat } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';
import { fileError } from '../rows.ts';
import { listNames } from './json.ts';
import { readHead } from './open-bytes.ts';

export const dataFormats = ['jsonl', 'json', 'csv', 'tsv', 'parquet', 'text'] as const;
export type DataFormat = (typeof dataFormats)[number];

const byExtension: Readonly<Record<string, DataFormat>> = {
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
  parquet: 'parquet',
  txt: 'text',
  text: 'text',
  md: 'text',
};

/** What people have instead, by its first bytes. */
const others: readonly (readonly [magic: string, what: string])[] = [
  ['\x28\xb5\x2f\xfd', 'compressed with zstd'],
  ['BZh', 'compressed with bzip2'],
  ['\xfd7zXZ\0', 'compressed with xz'],
  ['PK\x03\x04', 'a ZIP archive or a spreadsheet'],
  ['ARROW1', 'an Arrow file'],
  ['version https://git-lfs', 'a Git LFS pointer, not the data itself'],
];

/** Columns by which a first line is known to be a header. */
const headerNames = /^"?(messages|conversations|prompt|completion|instruction|output|text|input_ids)"?$/i;

/** The format that was typed, else that of the name and the content. Errors: no such file, a folder, empty, unknown. */
export async function detectFormat(file: string, typed?: DataFormat): Promise<DataFormat> {
  const isFolder = await stat(file).then(
    (s) => s.isDirectory(),
    (error: unknown) => Promise.reject(EmlocError.from(error)),
  );
  if (isFolder)
    throw fileError(file, 'NOT_A_FILE', 'is a folder, not a data file', 'name the data file itself');
  const head = await readHead(file);
  if (head.length === 0) {
    throw fileError(file, 'EMPTY_DATASET', 'has no rows', 'give a data file with at least one row');
  }
  const start = head.toString('latin1');
  const isParquet = start.startsWith('PAR1');
  if (typed !== undefined && isParquet !== (typed === 'parquet')) {
    const what = isParquet ? `is a Parquet file, not ${typed}` : 'is no Parquet file';
    throw fileError(file, 'WRONG_FORMAT', what, 'leave --data-format out, or name the right one');
  }
  const other = others.find(([magic]) => start.startsWith(magic))?.[1];
  if (other !== undefined) {
    const mend = 'give JSON lines, JSON, CSV, TSV, Parquet or plain text; gzip is read as it is';
    throw fileError(file, 'UNSUPPORTED_FORMAT', `is ${other}`, mend);
  }
  if (typed !== undefined) return typed;
  if (isParquet) return 'parquet';
  return byName(file, head) ?? byContent(file, head);
}

/** What the extension says, a trailing `.gz` aside; `.json` may hold lines of JSON, as many files of the hub do. */
function byName(file: string, head: Buffer): DataFormat | undefined {
  const extension = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(file)?.[1]?.toLowerCase() ?? '';
  const format = byExtension[extension];
  if (format === 'parquet') {
    throw fileError(file, 'NOT_PARQUET', 'does not begin as a Parquet file does', 'download it again');
  }
  return format === 'json' ? jsonKind(head) : format;
}

function byContent(file: string, head: Buffer): DataFormat {
  const text = withoutMark(head);
  if (/^\s*[[{]/.test(text)) return jsonKind(head);
  const header = text.split(/\r?\n/, 1)[0] ?? '';
  for (const [separator, format] of [
    ['\t', 'tsv'],
    [',', 'csv'],
  ] as const) {
    const names = header.split(separator);
    if (names.some((name) => headerNames.test(name.trim()))) return format;
  }
  const mend = 'say which it is with --data-format (in a request: dataset.format)';
  throw fileError(file, 'UNKNOWN_FORMAT', 'has a format that neither its name nor its content tells', mend);
}

/** An object whose members, plain ones before it aside, begin with the list of rows: in one line, too. */
const holdsList = new RegExp(
  String.raw`^\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[-+.\w]+)\s*,\s*)*"(?:${listNames.join('|')})"\s*:\s*\[\s*\{`,
);

/** Lines of JSON where the first line is an object by itself, or is so long that its end is not seen. */
function jsonKind(head: Buffer): DataFormat {
  const text = withoutMark(head).trimStart();
  if (text.startsWith('[')) return 'json';
  if (holdsList.test(text)) return 'json';
  const [first = '', ...more] = text.split('\n');
  if (more.length === 0) return 'jsonl';
  try {
    JSON.parse(first);
    return 'jsonl';
  } catch {
    return /^\{\s*$/.test(first) ? 'json' : 'jsonl';
  }
}

const withoutMark = (head: Buffer): string => head.toString('utf8').replace(/^\uFEFF/, '');
