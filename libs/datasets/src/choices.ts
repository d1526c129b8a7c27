/** Answers to choose from: for every row its prompt, and each answer as the tokens that would follow it. */
import { readFile } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';
import { rowError, type Row } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { tokenizeRow } from './tokenize-row.ts';
import { required, tokenizeRows, type TokenizeOptions } from './tokenize-rows.ts';

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

export function choiceRows(
  rows: Iterable<Row>,
  choices: readonly Choice[],
  tokenizer: TextTokenizer | undefined,
  options: Pick<TokenizeOptions, 'vocabSize' | 'contextLength'> = {},
): ChoiceRow[] {
  return Array.from(rows, (row) => {
    const withChoice = choices.map((choice) => tokenizeChoice(row, choice, tokenizer, options));
    const own = tokenizeRows([row], tokenizer, options)[0]!;
    return {
      promptIds: own.promptIds,
      candidates: withChoice,
      answer: withChoice.findIndex((ids) => equal(ids, own.completionIds)),
    };
  });
}

function tokenizeChoice(
  row: Row,
  choice: Choice,
  tokenizer: TextTokenizer | undefined,
  options: Pick<TokenizeOptions, 'vocabSize' | 'contextLength'>,
): Int32Array {
  if (row.kind === 'text') {
    throw rowError(
      row,
      'NO_PROMPT',
      'a text row has no prompt to choose an answer for',
      'give messages or prompt/completion',
    );
  }
  if (row.kind === 'tokens') {
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
    const { promptIds } = tokenizeRows([row], undefined)[0]!;
    const inputIds = [...promptIds, ...choice];
    const labels = inputIds.map((id, t) => (t < promptIds.length ? -100 : id));
    return tokenizeRows([{ ...row, inputIds, labels }], undefined, options)[0]!.completionIds;
  }
  if (typeof choice !== 'string') {
    throw rowError(
      row,
      'CHOICE_IS_TOKENS',
      'the row is text, but the choices are token ids',
      'give the choices as texts',
    );
  }
  const replaced =
    row.kind === 'messages'
      ? { ...row, messages: [...row.messages.slice(0, -1), { ...row.messages.at(-1)!, content: choice }] }
      : { ...row, completion: choice };
  const span = tokenizeRow(replaced, required(tokenizer, row), true);
  return Int32Array.from(span.inputIds.slice(span.completionBegin, span.completionEnd));
}

const equal = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);

/** A file of choices: a JSON list, or one answer a line. */
export async function readChoices(file: string): Promise<Choice[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw EmlocError.from(error);
  });
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
