/**
 * A record as a row of one of the shapes, told by its columns; or an error that says which shapes were tried and what
 * each of them lacks. The first of them in the table that a record has the columns of wins.
 */
import type { DataRecord } from '../formats/records.ts';
import { rowError, show, type Row, type RowPlace } from '../rows.ts';
import { renameColumns, suggestMapping, type ColumnNames } from './columns.ts';
import { readMessages, readTools } from './messages.ts';
import { asList, readIntegers, readOptionalText, readText, shapes } from './values.ts';

type Value = DataRecord['value'];

export type ShapeName = 'messages' | 'sharegpt' | 'prompt-completion' | 'alpaca' | 'text' | 'tokens';

interface Shape {
  readonly name: ShapeName;
  /** Columns that make the shape; with `any`, one of them is enough to be taken for it. */
  readonly needs: readonly string[];
  readonly any?: boolean;
  readonly read: (value: Value, place: RowPlace) => Row;
}

const table: readonly Shape[] = [
  { name: 'messages', needs: ['messages'], read: (value, place) => conversation(value, 'messages', place) },
  {
    name: 'sharegpt',
    needs: ['conversations'],
    read: (value, place) => conversation(value, 'conversations', place),
  },
  { name: 'prompt-completion', needs: ['prompt', 'completion'], any: true, read: readCompletion },
  { name: 'alpaca', needs: ['instruction', 'output'], read: readInstruction },
  {
    name: 'text',
    needs: ['text'],
    read: ({ text }, place) => ({ ...place, kind: 'text', text: readText(text, 'text', place) }),
  },
  { name: 'tokens', needs: ['input_ids'], read: readTokens },
];

export interface ParsedRow {
  readonly row: Row;
  readonly shape: ShapeName;
  /** As it stands in the file. */
  readonly record: DataRecord;
}

export function parseRow(record: DataRecord, columns: ColumnNames = {}): ParsedRow {
  const { place } = record;
  const value = renameColumns(record, columns);
  const shape = table.find(({ needs, any }) =>
    any ? needs.some((name) => name in value) : needs.every((name) => name in value),
  );
  if (shape !== undefined) return { row: shape.read(value, place), shape: shape.name, record };
  throw unknownShape(record, value);
}

function unknownShape({ place }: DataRecord, value: Value): Error {
  const names = Object.keys(value);
  const lacks = table.map(({ name, needs }) => {
    const missing = needs.filter((column) => !(column in value));
    return `${name} lacks ${missing.join(' and ')}`;
  });
  const problem =
    names.length === 0
      ? 'the object has no fields'
      : `no known shape in the fields ${names.join(', ')}: ${lacks.join('; ')}`;
  const mapping = suggestMapping(names);
  const mend =
    mapping === undefined ? `${shapes}; --prompt-column and its like map other names` : `try ${mapping}`;
  return rowError(place, 'UNKNOWN_SHAPE', problem, mend, show(value));
}

function conversation(value: Value, field: string, place: RowPlace): Row {
  const messages = readMessages(value[field], field, place);
  const system = readOptionalText(value['system'], 'system', place);
  const tools = readTools(value['tools'], place);
  const opened =
    system === undefined || messages[0]?.role === 'system'
      ? messages
      : [{ role: 'system', content: system }, ...messages];
  return { ...place, kind: 'messages', messages: opened, ...(tools === undefined ? {} : { tools }) };
}

/** Texts, or (as in TRL) the two halves of a conversation. */
function readCompletion(value: Value, place: RowPlace): Row {
  const [prompt, completion] = [asMessages(value['prompt']), asMessages(value['completion'])];
  if (prompt !== undefined && completion !== undefined) {
    const tools = readTools(value['tools'], place);
    const messages = [
      ...readMessages(prompt, 'prompt', place),
      ...readMessages(completion, 'completion', place),
    ];
    return { ...place, kind: 'messages', messages, ...(tools === undefined ? {} : { tools }) };
  }
  return {
    ...place,
    kind: 'completion',
    prompt: readText(value['prompt'], 'prompt', place),
    completion: readText(value['completion'], 'completion', place),
  };
}

/** A text that begins with a bracket is a text all the same, unless messages stand in it. */
function asMessages(value: unknown): unknown[] | undefined {
  const list =
    typeof value === 'string' && !/^\s*\[\s*\{\s*"(role|from)"/.test(value) ? value : asList(value);
  return Array.isArray(list) ? (list as unknown[]) : undefined;
}

function readInstruction(value: Value, place: RowPlace): Row {
  const system = readOptionalText(value['system'], 'system', place);
  return {
    ...place,
    kind: 'instruction',
    instruction: readText(value['instruction'], 'instruction', place),
    input: readOptionalText(value['input'], 'input', place) ?? '',
    output: readText(value['output'], 'output', place),
    ...(system === undefined ? {} : { system }),
  };
}

function readTokens(value: Value, place: RowPlace): Row {
  const inputIds = readIntegers(value['input_ids'], 'input_ids', place);
  const given = value['labels'];
  const labels = given === undefined || given === null ? inputIds : readIntegers(given, 'labels', place);
  if (labels.length === inputIds.length) return { ...place, kind: 'tokens', inputIds, labels };
  const problem = `${labels.length} labels for ${inputIds.length} input_ids`;
  const mend = 'give one label a token, -100 where there is no loss';
  throw rowError(place, 'LABELS_LENGTH', problem, mend, String(labels.length));
}
