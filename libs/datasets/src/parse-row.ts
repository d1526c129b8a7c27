/** One line of JSON as a row, or an error that says what its shape lacks. */
import { rowError, type Row, type RowPlace } from './rows.ts';
import type { ChatMessage } from './tokenizer.ts';

const shapes =
  'a line is {"messages": [{"role", "content"}, …]}, {"prompt", "completion"}, {"text"} or {"input_ids": […], "labels": […]}';

export function parseRow(line: string, place: RowPlace): Row {
  if (line.trim() === '') {
    throw rowError(place, 'EMPTY_LINE', 'the line is empty', 'remove it: every line is one JSON object');
  }
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    const problem = `not JSON: ${(error as Error).message}`;
    throw rowError(place, 'MALFORMED_LINE', problem, 'write one JSON object a line', excerpt(line));
  }
  if (!isObject(value)) {
    throw rowError(place, 'MALFORMED_LINE', 'not a JSON object', shapes, excerpt(line));
  }
  if ('messages' in value)
    return { ...place, kind: 'messages', messages: parseMessages(value.messages, 'messages', place) };
  if ('prompt' in value || 'completion' in value) return parseCompletion(value, place);
  if ('text' in value) return { ...place, kind: 'text', text: parseText(value.text, 'text', place) };
  if ('input_ids' in value) return parseTokens(value, place);
  const keys = Object.keys(value);
  const problem =
    keys.length === 0 ? 'the object has no fields' : `no known shape in the fields ${keys.join(', ')}`;
  throw rowError(place, 'UNKNOWN_SHAPE', problem, shapes, excerpt(line));
}

/** Texts, or (as in TRL) the two halves of a conversation. */
function parseCompletion(value: Record<string, unknown>, place: RowPlace): Row {
  if (Array.isArray(value.prompt) && Array.isArray(value.completion)) {
    const prompt = parseMessages(value.prompt, 'prompt', place);
    return {
      ...place,
      kind: 'messages',
      messages: [...prompt, ...parseMessages(value.completion, 'completion', place)],
    };
  }
  const prompt = parseText(value.prompt, 'prompt', place);
  return {
    ...place,
    kind: 'completion',
    prompt,
    completion: parseText(value.completion, 'completion', place),
  };
}

function parseMessages(value: unknown, field: string, place: RowPlace): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw rowError(place, 'BAD_MESSAGES', `${field} is not a list of messages`, shapes, show(value));
  }
  return value.map((message: unknown, i) => {
    if (!isObject(message) || typeof message.role !== 'string' || typeof message.content !== 'string') {
      const problem = `${field}[${i}] lacks a role and a content that are text`;
      throw rowError(place, 'BAD_MESSAGES', problem, 'write {"role": "user", "content": "…"}', show(message));
    }
    return { role: message.role, content: message.content };
  });
}

function parseText(value: unknown, field: string, place: RowPlace): string {
  if (typeof value === 'string') return value;
  const problem = value === undefined ? `${field} is missing` : `${field} is not text`;
  throw rowError(place, 'BAD_TEXT', problem, shapes, show(value));
}

function parseTokens(value: Record<string, unknown>, place: RowPlace): Row {
  const inputIds = parseIntegers(value.input_ids, 'input_ids', place);
  const labels = value.labels === undefined ? inputIds : parseIntegers(value.labels, 'labels', place);
  if (labels.length !== inputIds.length) {
    const problem = `${labels.length} labels for ${inputIds.length} input_ids`;
    const mend = 'give one label a token, -100 where there is no loss';
    throw rowError(place, 'LABELS_LENGTH', problem, mend, String(labels.length));
  }
  return { ...place, kind: 'tokens', inputIds, labels };
}

function parseIntegers(value: unknown, field: string, place: RowPlace): number[] {
  if (!Array.isArray(value))
    throw rowError(place, 'BAD_TOKENS', `${field} is not a list`, shapes, show(value));
  const at = value.findIndex((n) => !Number.isSafeInteger(n));
  if (at < 0) return value as number[];
  throw rowError(
    place,
    'BAD_TOKENS',
    `${field}[${at}] is not a whole number`,
    'token ids are whole numbers',
    show(value[at]),
  );
}

const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);

const excerpt = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

const show = (value: unknown): string => excerpt(JSON.stringify(value) ?? 'nothing');
