/**
 * A row of text as tokens, with the place where its completion begins and ends. As TRL does it: the conversation with
 * and without its last answer go through the chat template, and the first text must begin with the second.
 */
import { answeredTurns } from './answered-turns.ts';
import { endsTurn, plain, withoutTrailingSpace, type TokenSpan } from './encode.ts';
import { render } from './render.ts';
import {
  rowError,
  type CompletionRow,
  type InstructionRow,
  type MessagesRow,
  type Row,
  type RowPlace,
} from './rows.ts';
import type { ChatMessage, TextTokenizer } from './tokenizer.ts';

/** What carries a loss: the last answer, every turn of the assistant, or every token. */
export const lossTargets = ['completion', 'assistant', 'all'] as const;
export type LossOn = (typeof lossTargets)[number];

/** A prompt and what follows it: the answer, and what the chat template closes it with. */
export interface AnsweredPrompt {
  readonly promptText: string;
  readonly completionText: string;
  readonly answer: string;
}

export function tokenizeRow(
  row: Exclude<Row, { kind: 'tokens' }>,
  tokenizer: TextTokenizer,
  lossOn: LossOn,
): TokenSpan {
  if (row.kind === 'text') return whole(withEos(tokenizer.encode(row.text), tokenizer));
  checkAnswered(row, lossOn);
  const answered = row.kind === 'instruction' ? asAnswered(row, tokenizer) : row;
  if (answered.kind === 'completion') return tokenizeCompletion(answered, tokenizer);
  if (lossOn === 'assistant') return answeredTurns(answered, tokenizer);
  return lossOn === 'completion'
    ? tokenizeMessages(answered, tokenizer)
    : whole(plain(tokenizer, render(answered, tokenizer, answered.messages)));
}

/** Errors: EMPTY_COMPLETION, NO_ANSWER where that has to be learnt. Told without a tokenizer. */
export function checkAnswered(row: Exclude<Row, { kind: 'tokens' }>, lossOn: LossOn = 'completion'): void {
  if (row.kind === 'text' || lossOn === 'all') return;
  if (row.kind === 'completion') return checkAnswer(row, row.completion, false);
  if (row.kind === 'instruction') return checkAnswer(row, row.output, false);
  if (lossOn === 'assistant') return checkTurns(row);
  const last = lastAnswer(row);
  checkAnswer(row, last.content, 'tool_calls' in last);
}

/** What is learnt of a conversation: the last answer and its end-of-turn token, not a line break after that. */
function tokenizeMessages(row: MessagesRow, tokenizer: TextTokenizer): TokenSpan {
  const { promptText, completionText, answer } = answeredPrompt(row, tokenizer);
  const span = joinCompletion(
    plain(tokenizer, promptText + completionText),
    plain(tokenizer, promptText),
    () => plain(tokenizer, completionText),
  );
  const completion = span.inputIds.slice(span.completionBegin);
  const learnt = endsTurn(completionText, answer) ? withoutTrailingSpace(completion, tokenizer) : completion;
  return { ...span, completionEnd: span.completionBegin + learnt.length };
}

export function answeredPrompt(row: MessagesRow, tokenizer: TextTokenizer): AnsweredPrompt {
  const answer = lastAnswer(row).content;
  const promptText = render(row, tokenizer, row.messages.slice(0, -1), true);
  const text = render(row, tokenizer, row.messages);
  if (text.startsWith(promptText)) {
    return { promptText, completionText: text.slice(promptText.length), answer };
  }
  const problem = 'the chat template changes the prompt when the answer is added';
  const mend = 'use a model whose template keeps earlier turns, or give prompt and completion as texts';
  throw rowError(row, 'TEMPLATE_NOT_PREFIX', problem, mend);
}

function lastAnswer(row: MessagesRow): ChatMessage {
  const last = row.messages.at(-1);
  if (last?.role === 'assistant') return last;
  const problem = `the last message is the ${last?.role ?? '?'}'s, so there is no answer to learn`;
  throw rowError(row, 'NO_ANSWER', problem, 'end the messages with the role "assistant"', last?.role);
}

function checkTurns(row: MessagesRow): void {
  const answers = row.messages.filter(({ role }) => role === 'assistant');
  if (answers.length === 0) {
    const problem = 'no message is the assistant’s, so there is no answer to learn';
    throw rowError(row, 'NO_ANSWER', problem, 'add a message with the role "assistant"');
  }
  if (answers.every(({ content }) => content.trim() === ''))
    checkAnswer(row, '', 'tool_calls' in (answers[0] ?? {}));
}

/** The learnt tokens of a completion by itself, as it would follow a prompt that ends on a border between tokens. */
export function tokenizeAnswer(
  { completionText, answer }: Omit<AnsweredPrompt, 'promptText'>,
  tokenizer: TextTokenizer,
): readonly number[] {
  const ids = plain(tokenizer, completionText);
  return endsTurn(completionText, answer) ? withoutTrailingSpace(ids, tokenizer) : ids;
}

/** Prompt and completion as they stand; the end-of-text token closes the completion. */
function tokenizeCompletion(row: CompletionRow, tokenizer: TextTokenizer): TokenSpan {
  const span = joinCompletion(
    tokenizer.encode(row.prompt + row.completion),
    tokenizer.encode(row.prompt),
    () => plain(tokenizer, row.completion),
  );
  const inputIds = withEos(span.inputIds, tokenizer);
  return { ...span, inputIds, completionEnd: inputIds.length };
}

/** An instruction as a turn of the chat template; where the model has none, after the prompt of the Alpaca paper. */
export function asAnswered(row: InstructionRow, tokenizer: TextTokenizer): MessagesRow | CompletionRow {
  const { file, line, unit, instruction, input, output, system } = row;
  const place: RowPlace = { file, line, ...(unit === undefined ? {} : { unit }) };
  if (tokenizer.hasChatTemplate === true) {
    const content = input === '' ? instruction : `${instruction}\n${input}`;
    const messages = [
      ...(system === undefined ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content },
      { role: 'assistant', content: output },
    ];
    return { ...place, kind: 'messages', messages };
  }
  const context = input === '' ? '' : ', paired with an input that provides further context';
  const opening =
    system ??
    `Below is an instruction that describes a task${context}. Write a response that appropriately completes the request.`;
  const given = input === '' ? '' : `### Input:\n${input}\n\n`;
  const prompt = `${opening}\n\n### Instruction:\n${instruction}\n\n${given}### Response:\n`;
  return { ...place, kind: 'completion', prompt, completion: output };
}

function checkAnswer(place: RowPlace, answer: string, callsTools: boolean): void {
  if (answer.trim() !== '' || callsTools) return;
  const mend = 'remove such rows, or give loss on all tokens (--loss-on all)';
  throw rowError(place, 'EMPTY_COMPLETION', 'the completion is empty', mend, answer);
}

/**
 * Where the tokens of the whole begin with those of the prompt, the rest is the completion. Where a token reaches over
 * the border, both are taken for themselves, which is what a model sees that goes on from the prompt.
 */
function joinCompletion(
  all: readonly number[],
  prompt: readonly number[],
  completion: () => readonly number[],
): TokenSpan {
  const inputIds = prompt.every((id, i) => all[i] === id) ? all : [...prompt, ...completion()];
  return { inputIds, completionBegin: prompt.length, completionEnd: inputIds.length };
}

export function withEos(ids: readonly number[], tokenizer: TextTokenizer): readonly number[] {
  const eos = tokenizer.eosTokenId;
  return eos === undefined || ids.at(-1) === eos ? ids : [...ids, eos];
}

const whole = (inputIds: readonly number[]): TokenSpan => ({
  inputIds,
  completionBegin: 0,
  completionEnd: inputIds.length,
});
