/** Reads a job file into fields and their texts, each with its line. Everything that is wrong names file, line and field. */
import { readFile, stat } from 'node:fs/promises';
import { EmlocError, nearest } from '@emloc/errors';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { underOption } from '../checks/under-option.ts';
import { configFlag, type JobFileField } from './fields.ts';

export interface JobFileEntry {
  readonly field: JobFileField;
  /** As it would be typed after the option; of a switch `true` or `false`. */
  readonly text: string;
  readonly place: Place;
}

/** Where something stands in the file. */
export interface Place {
  readonly file: string;
  readonly line: number;
  /** As it is written there. */
  readonly key?: string;
}

/** A job file is written by hand; what is larger is some other file. */
const mostBytes = 1_000_000;

export async function readJobFile(file: string, fields: readonly JobFileField[]): Promise<JobFileEntry[]> {
  const text = await underOption({ option: configFlag, value: file }, async () => {
    const { size } = await stat(file);
    if (size > mostBytes) throw notAJobFile(file, `has ${size} bytes`);
    return readFile(file, 'utf8');
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = [...document.errors, ...document.warnings];
  const at = (offset: number): Place => ({ file, line: Math.max(1, lines.linePos(offset).line) });
  if (error !== undefined) throw wrongAt(at(error.pos[0]), 'BAD_YAML', lowerFirst(error.message));
  const root = document.contents;
  if (root === null) throw notAJobFile(file, 'holds nothing');
  if (!isMap(root)) throw notAJobFile(file, 'is not a list of fields with values');
  const seen = new Map<JobFileField, Place>();
  return root.items.map((pair) => {
    const key = pair.key as Node;
    const name = isScalar(key) ? String(key.value) : key.toString();
    const place = { ...at(key.range?.[0] ?? 0), key: name };
    const field = fields.find((candidate) => candidate.key === name || candidate.aliases.includes(name));
    if (field === undefined) throw unknownField(place, name, fields);
    const before = seen.get(field);
    if (before !== undefined)
      throw wrongAt(place, 'DUPLICATE_FIELD', `it is given as ${before.key} in line ${before.line}, too`);
    seen.set(field, place);
    return { field, text: textOf(document, pair.value as Node | null, field, place), place };
  });
}

/** The value as it would be typed; lists of names with commas. */
function textOf(document: Document, value: Node | null, field: JobFileField, place: Place): string {
  const node = isAlias(value) ? (value.resolve(document) ?? null) : value;
  if (node === null || (isScalar(node) && node.value === null)) {
    throw wrongAt(place, 'NO_VALUE', 'no value is given', 'give one, or take the line out');
  }
  if (isSeq(node) && field.value === 'modules') {
    const names = node.items.map((item) => (isScalar(item) ? String(item.value) : ''));
    if (names.length > 0 && names.every((name) => name !== '' && !name.includes(','))) return names.join(',');
  }
  if (!isScalar(node)) throw wrongAt(place, 'BAD_VALUE', 'a single value is needed', exampleOf(field));
  const isBoolean = typeof node.value === 'boolean';
  if ((field.value === undefined) !== isBoolean) {
    const wanted = field.value === undefined ? 'true or false is needed' : `a ${field.value} is needed`;
    throw wrongAt(place, 'BAD_VALUE', `${wanted}, not '${node.source ?? node.value}'`, exampleOf(field));
  }
  return String(typeof node.value === 'number' ? (node.source ?? node.value) : node.value);
}

function exampleOf({ value, row }: JobFileField): string | undefined {
  if (value === undefined) return 'write true or false';
  return row.default === undefined ? undefined : `its default is ${String(row.default)}`;
}

function unknownField(place: Place, name: string, fields: readonly JobFileField[]): EmlocError {
  const names = fields.flatMap(({ key, aliases }) => [key, ...aliases]);
  const plain = (text: string): string => text.replace(/^-+/, '').replaceAll('-', '_').toLowerCase();
  const [near] = nearest(plain(name), names);
  const mend =
    near === undefined
      ? 'the fields are the options of emloc finetune --help, in snake case'
      : `did you mean ${near}?`;
  return wrongAt(place, 'UNKNOWN_FIELD', `there is no field '${name}'`, mend);
}

const notAJobFile = (file: string, problem: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'NOT_A_JOB_FILE', `${file} ${problem}`, {
    field: configFlag,
    value: file,
    mend: 'emloc init writes one to start from',
  });

/** `emloc.yaml:12: …`, with the field in front where there is one. A file that is wrong is a failure, not wrong usage. */
export function wrongAt(place: Place, reason: string, message: string, mend?: string): EmlocError {
  return new EmlocError('INVALID_ARGUMENT', reason, `${place.file}:${place.line}: ${message}`, {
    field: place.key,
    mend,
    metadata: placeMetadata(place),
  });
}

export const placeMetadata = ({ file, line }: Place): Record<string, string> => ({
  file,
  line: String(line),
});

const lowerFirst = (text: string): string => `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
