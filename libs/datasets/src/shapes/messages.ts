/** Conversations: OpenAI's `{role, content}` and ShareGPT's `{from, value}`, as one kind of message. */
import { isObject } from '../formats/json-lines.ts';
import { rowError, show, type RowPlace } from '../rows.ts';
import type { ChatMessage } from '../tokenizer.ts';
import { asList, shapes } from './values.ts';

/** ShareGPT's names for who speaks. */
const roles: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  bot: 'assistant',
  model: 'assistant',
  assistant: 'assistant',
  function_call: 'assistant',
  system: 'system',
  tool: 'tool',
  observation: 'tool',
  function_response: 'tool',
};

export function readMessages(value: unknown, field: string, place: RowPlace): ChatMessage[] {
  const list = asList(value);
  if (!Array.isArray(list) || list.length === 0) {
    throw rowError(place, 'BAD_MESSAGES', `${field} is not a list of messages`, shapes, show(value));
  }
  return list.map((message: unknown, i) => {
    const at = `${field}[${i}]`;
    if (isObject(message)) {
      if ('from' in message && !('role' in message)) return readTurn(message, at, place);
      if (typeof message['role'] === 'string') return readMessage(message, message['role'], at, place);
    }
    const problem = `${at} lacks a role and a content that are text`;
    throw rowError(place, 'BAD_MESSAGES', problem, 'write {"role": "user", "content": "…"}', show(message));
  });
}

function readTurn(turn: Record<string, unknown>, at: string, place: RowPlace): ChatMessage {
  const { from, value } = turn;
  const role = typeof from === 'string' ? roles[from.toLowerCase()] : undefined;
  if (role !== undefined && typeof value === 'string') return { role, content: value };
  const problem =
    role === undefined
      ? `${at}.from is ${show(from)}, none of ${Object.keys(roles).join(', ')}`
      : `${at}.value is not text`;
  throw rowError(place, 'BAD_MESSAGES', problem, 'write {"from": "human", "value": "…"}', show(turn));
}

/** What is null is left out: tables with a column a field have it so where a message lacks the field. */
function readMessage(
  message: Record<string, unknown>,
  role: string,
  at: string,
  place: RowPlace,
): ChatMessage {
  const extras = Object.entries(message).filter(([, value]) => value !== null && value !== undefined);
  const calls = message['tool_calls'];
  return {
    ...Object.fromEntries(extras),
    ...(Array.isArray(calls) && calls.length > 0 ? { tool_calls: calls.map(withArguments) } : {}),
    role,
    content: readContent(message, at, place),
  };
}

/** Text, or parts that are text; nothing where the message calls tools. */
function readContent(message: Record<string, unknown>, at: string, place: RowPlace): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if ((content === null || content === undefined) && Array.isArray(message['tool_calls'])) return '';
  if (Array.isArray(content)) {
    const texts = content.map((part: unknown) => (isObject(part) ? part['text'] : undefined));
    if (texts.length > 0 && texts.every((text) => typeof text === 'string')) return texts.join('');
    const problem = `${at}.content has parts that are not text`;
    throw rowError(
      place,
      'BAD_MESSAGES',
      problem,
      'only text can be learnt: leave images and sound out',
      show(content),
    );
  }
  const problem = `${at} lacks a role and a content that are text`;
  throw rowError(place, 'BAD_MESSAGES', problem, 'write {"role": "user", "content": "…"}', show(message));
}

/** OpenAI writes a call's arguments as JSON in a text; templates want the object. */
function withArguments(call: unknown): unknown {
  if (!isObject(call) || !isObject(call['function'])) return call;
  const { arguments: given } = call['function'];
  if (typeof given !== 'string') return call;
  try {
    return { ...call, function: { ...call['function'], arguments: JSON.parse(given) as unknown } };
  } catch {
    return call;
  }
}

/** The `tools` of a conversation: a list, perhaps written as JSON; nothing where there are none. */
export function readTools(value: unknown, place: RowPlace): readonly unknown[] | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const list = asList(value);
  if (Array.isArray(list)) return list.length === 0 ? undefined : list;
  const mend = 'write a list of JSON schemas: [{"type": "function", "function": {…}}]';
  throw rowError(place, 'BAD_TOOLS', 'tools is not a list', mend, show(value));
}
