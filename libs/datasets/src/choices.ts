/** Answers to choose from: for every row its prompt, and each answer as the tokens that would follow it. */
import { readFile } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';
import {
  rowError,
  type CompletionRow,
  type MessagesRow,
  type Row,
  type RowPlace,
  type TokensRow,
} from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { answeredPrompt, asAnswered, tokenizeAnswer, tokenizeRow, withEos } from './tokenize-row.ts';
import {
  ignoredLabel,
  required,
  tokenizeRows,
  type TokenizedRow,
  type TokenizeOptions,
} from './tokenize-rows.ts';

/** A text, or token ids where the rows are pre-tokenized. */
export type Choice = string | readonly number[];

export interface ChoiceRow {
  /** Shared by all candidates. */
  readonly promptIds: Int32Array;
  /** Per choice: its tokens, with the end-of-turn token that the row's shape puts after an answer. */
  readonly candidates: readonly Int32Array[];
  /** Index of the row's own answer, or −1 where it is not among the choices. */
  readonly answer: number;
}

type Limits = Pick<TokenizeOptions, 'vocabSize' | 'contextLength'>;

/** The candidates' tokens, by text: rows share them, and a prompt is tokenized once, not once a choice. */
type Known = Map<string, Int32Array>;

/** A row with the choices after its prompt; `tokenizer` may be missing where the row is pre-tokenized. */
export type ChooseFor = (row: Row, tokenizer: TextTokenizer | undefined) => ChoiceRow;

/** For rows one after another. Errors: a row that has no prompt, choices of another kind than the row. */
export function choicesFor(choices: readonly Choice[], options: Limits = {}): ChooseFor {
  const known: Known = new Map();
  return (given, tokenizer) => {
    const row = given.kind === 'instruction' ? asAnswered(given, required(tokenizer, given)) : given;
    if (row.kind === 'text') throw noPrompt(row, 'a text row has no prompt to choose an answer for');
    const own = tokenizeRows([row], tokenizer, options)[0]!;
    if (own.promptIds.length === 0) throw noPrompt(row, 'the prompt has no tokens');
    const candidates =
      row.kind === 'tokens'
        ? choices.map((choice) => tokenChoice(row, own, choice, options))
        : textChoices(row, own, choices, required(tokenizer, row), known);
    const answer = candidates.findIndex((ids) => equal(ids, own.completionIds));
    return { promptIds: own.promptIds, candidates, answer };
  };
}

export const noPrompt = (place: RowPlace, problem: string): EmlocError =>
  rowError(place, 'NO_PROMPT', problem, 'give messages or prompt/completion');

/** Refuses a row whose own answer is none of the choices: it could only be got wrong. */
export function requireAnswer(place: RowPlace, { answer }: ChoiceRow): void {
  if (answer >= 0) return;
  const mend = 'add the answer to the choices, or remove the row';
  throw rowError(place, 'ANSWER_NOT_A_CHOICE', 'the answer is not a choice', mend);
}

function tokenChoice(row: TokensRow, own: TokenizedRow, choice: Choice, options: Limits): Int32Array {
  if (typeof choice === 'string') {
    const mend = 'give the choices as lists of token ids too, or rows of text';
    throw rowError(
      row,
      'CHOICE_IS_TEXT',
      'the row is pre-tokenized, but the choices are texts',
      mend,
      choice,
    );
  }
  const inputIds = [...own.promptIds, ...choice];
  const labels = inputIds.map((id, t) => (t < own.promptIds.length ? ignoredLabel : id));
  return tokenizeRows([{ ...row, inputIds, labels }], undefined, options)[0]!.completionIds;
}

function textChoices(
  row: MessagesRow | CompletionRow,
  own: TokenizedRow,
  choices: readonly Choice[],
  tokenizer: TextTokenizer,
  known: Known,
): Int32Array[] {
  const { completionText, answer } =
    row.kind === 'messages'
      ? answeredPrompt(row, tokenizer)
      : { completionText: row.completion, answer: row.completion };
  const closing = completionText.slice(answer.length);
  const alone = (text: string): Int32Array => {
    const key = `${text}\0${closing}\0${row.kind}`;
    const found = known.get(key) ?? answerAlone(row, text, closing, tokenizer);
    known.set(key, found);
    return found;
  };
  // Where the row's own answer has the same tokens by itself as after its prompt, so have the other answers.
  const independent = completionText.startsWith(answer) && equal(alone(answer), own.completionIds);
  return choices.map((choice) => {
    if (typeof choice !== 'string') {
      const mend = 'give the choices as texts';
      throw rowError(row, 'CHOICE_IS_TOKENS', 'the row is text, but the choices are token ids', mend);
    }
    return independent && choice.trim() === choice ? alone(choice) : answerInPlace(row, choice, tokenizer);
  });
}

function answerAlone(
  row: MessagesRow | CompletionRow,
  answer: string,
  closing: string,
  tokenizer: TextTokenizer,
): Int32Array {
  const ids = tokenizeAnswer({ completionText: answer + closing, answer }, tokenizer);
  return Int32Array.from(row.kind === 'completion' ? withEos(ids, tokenizer) : ids);
}

/** The long way: the row with another answer, tokenized whole. */
function answerInPlace(
  row: MessagesRow | CompletionRow,
  choice: string,
  tokenizer: TextTokenizer,
): Int32Array {
  const replaced: MessagesRow | CompletionRow =
    row.kind === 'messages'
      ? { ...row, messages: [...row.messages.slice(0, -1), { ...row.messages.at(-1)!, content: choice }] }
      : { ...row, completion: choice };
  const span = tokenizeRow(replaced, tokenizer, 'completion');
  return Int32Array.from(span.inputIds.slice(span.completionBegin, span.completionEnd));
}

const equal = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);

/** A file of choices: a JSON list, or one answer a line. */
export async function readChoices(file: string): Promise<Choice[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw EmlocError.from(error);
  });
  return parseChoices(file, text);
}

/** A JSON list (of texts, or of lists of token ids), or one answer a line. `file` is where they stand. */
export function parseChoices(file: string, text: string): Choice[] {
  const choices = text.trimStart().startsWith('[')
    ? parseList(file, text)
    : text.split(/\r?\n/).filter((line) => line !== '');
  if (choices.length < 2) throw badChoices(file, `has ${choices.length} choices; at least two are needed`);
  const twice = choices.find((choice, i) => choices.findIndex((c) => String(c) === String(choice)) !== i);
  if (twice !== undefined) throw badChoices(file, `has the choice ${JSON.stringify(twice)} twice`);
  return choices;
}

function parseList(file: string, text: string): Choice[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw badChoices(file, `is not JSON: ${(error as Error).message}`);
  }
  const isIds = (x: unknown): boolean =>
    Array.isArray(x) && x.length > 0 && x.every((n) => Number.isSafeInteger(n) && n >= 0);
  const choices = list as Choice[];
  if (choices.every((x) => typeof x === 'string' && x !== '') || choices.every(isIds)) return choices;
  throw badChoices(file, 'is neither a list of texts nor a list of lists of token ids');
}

const badChoices = (file: string, problem: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_CHOICES', `${file} ${problem}`, {
    field: '--choices',
    value: file,
    mend: 'write a JSON list of the answers, such as ["yes", "no"], or one answer a line',
  });
