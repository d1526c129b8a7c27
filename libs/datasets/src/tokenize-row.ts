/**
 * A row of text as tokens, with the place where its completion begins and ends. As TRL does it: the conversation with
 * and without its last answer go through the chat template, and the first text must begin with the second.
 */
import { EmlocError } from '@emloc/errors';
import { rowError, type CompletionRow, type MessagesRow, type Row, type RowPlace } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';

export interface TokenSpan {
  readonly inputIds: readonly number[];
  /** The completion is `[completionBegin, completionEnd)`; the whole row where it has none of its own. */
  readonly completionBegin: number;
  readonly completionEnd: number;
}

/** A prompt and what follows it: the answer, and what the chat template closes it with. */
export interface AnsweredPrompt {
  readonly promptText: string;
  readonly completionText: string;
  readonly answer: string;
}

/** What is learnt of a conversation: the last answer and its end-of-turn token, not a line break after that. */
export function tokenizeMessages(row: MessagesRow, tokenizer: TextTokenizer): TokenSpan {
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
  const last = row.messages.at(-1);
  if (last?.role !== 'assistant') {
    const problem = `the last message is the ${last?.role ?? '?'}'s, so there is no answer to learn`;
    throw rowError(row, 'NO_ANSWER', problem, 'end the messages with the role "assistant"', last?.role);
  }
  const promptText = template(row, tokenizer, row.messages.slice(0, -1), true);
  const text = template(row, tokenizer, row.messages, false);
  if (text.startsWith(promptText)) {
    return { promptText, completionText: text.slice(promptText.length), answer: last.content };
  }
  const problem = 'the chat template changes the prompt when the answer is added';
  const mend = 'use a model whose template keeps earlier turns, or give prompt and completion as texts';
  throw rowError(row, 'TEMPLATE_NOT_PREFIX', problem, mend);
}

/** The learnt tokens of a completion by itself, as it would follow a prompt that ends on a border between tokens. */
export function tokenizeAnswer(
  { completionText, answer }: Omit<AnsweredPrompt, 'promptText'>,
  tokenizer: TextTokenizer,
): readonly number[] {
  const ids = plain(tokenizer, completionText);
  return endsTurn(completionText, answer) ? withoutTrailingSpace(ids, tokenizer) : ids;
}

/** All of a conversation, whoever speaks last. */
export function tokenizeConversation(row: MessagesRow, tokenizer: TextTokenizer): TokenSpan {
  return whole(plain(tokenizer, template(row, tokenizer, row.messages, false)));
}

/** Prompt and completion as they stand; the end-of-text token closes the completion. */
export function tokenizeCompletion(row: CompletionRow, tokenizer: TextTokenizer): TokenSpan {
  const span = joinCompletion(
    tokenizer.encode(row.prompt + row.completion),
    tokenizer.encode(row.prompt),
    () => plain(tokenizer, row.completion),
  );
  const inputIds = withEos(span.inputIds, tokenizer);
  return { ...span, inputIds, completionEnd: inputIds.length };
}

/** A text and the end-of-text token. */
export const tokenizeText = (text: string, tokenizer: TextTokenizer): TokenSpan =>
  whole(withEos(tokenizer.encode(text), tokenizer));

/** `completionOnly` decides whether a conversation must end with an answer. */
export function tokenizeRow(
  row: Exclude<Row, { kind: 'tokens' }>,
  tokenizer: TextTokenizer,
  completionOnly: boolean,
): TokenSpan {
  if (row.kind === 'text') return tokenizeText(row.text, tokenizer);
  if (row.kind === 'completion') return tokenizeCompletion(row, tokenizer);
  return completionOnly ? tokenizeMessages(row, tokenizer) : tokenizeConversation(row, tokenizer);
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

/** Whether the template puts a mark after the answer. */
const endsTurn = (completionText: string, content: string): boolean => {
  const trimmed = completionText.trimEnd();
  return trimmed.length > 0 && !trimmed.endsWith(content.trimEnd());
};

function withoutTrailingSpace(ids: readonly number[], tokenizer: TextTokenizer): readonly number[] {
  const isSpace = (id: number): boolean => tokenizer.decode([id], { skipSpecialTokens: false }).trim() === '';
  let end = ids.length;
  while (end > 1 && isSpace(ids[end - 1]!)) end--;
  return ids.slice(0, end);
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

const plain = (tokenizer: TextTokenizer, text: string): readonly number[] =>
  tokenizer.encode(text, { addSpecialTokens: false });

function template(
  place: RowPlace,
  tokenizer: TextTokenizer,
  messages: MessagesRow['messages'],
  addGenerationPrompt: boolean,
): string {
  try {
    return tokenizer.applyChatTemplate(messages, { addGenerationPrompt });
  } catch (error) {
    // A tokenizer that knows its error (no template at all, a refusal by the template) has said it already.
    const problem =
      error instanceof EmlocError ? error.message : `the chat template fails: ${(error as Error).message}`;
    const mend =
      (error as Partial<EmlocError>).mend ?? 'check the roles and their order against the model’s template';
    throw rowError(place, 'TEMPLATE_REFUSED', problem, mend);
  }
}
