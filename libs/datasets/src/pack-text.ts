/**
 * Plain text as rows of equal length, as language models are pre-trained: documents one after another, the end-of-text
 * token after each, cut wherever a row is full. Every token is learnt.
 */
import { readDocuments } from './formats/documents.ts';
import { plain } from './encode.ts';
import { fileError } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { withEos } from './tokenize-row.ts';
import { finishRow, type TokenizedRow, type TokenizeOptions } from './tokenize-rows.ts';

/** Tokens of a row where none are asked for: what most models can take, and small machines can hold. */
const defaultLength = 512;

export async function* packText(
  file: string,
  tokenizer: TextTokenizer,
  options: TokenizeOptions,
): AsyncGenerator<TokenizedRow> {
  const { contextLength = Infinity } = options;
  const length = options.maxLength ?? Math.min(defaultLength, contextLength);
  let rows = 0;
  const row = (inputIds: number[]): TokenizedRow => {
    const span = { inputIds, completionBegin: 0, completionEnd: inputIds.length };
    return finishRow({ file, line: ++rows, unit: 'row' }, span, inputIds, options);
  };
  let rest: number[] = [];
  for await (const { text, begins, ends } of readDocuments(file)) {
    const ids = begins ? tokenizer.encode(text) : plain(tokenizer, text);
    rest = rest.concat(ends ? withEos(ids, tokenizer) : ids);
    let from = 0;
    for (; rest.length - from >= length; from += length) yield row(rest.slice(from, from + length));
    rest = rest.slice(from);
  }
  // A token by itself has nothing before it to be learnt from.
  if (rest.length > 1) yield row(rest);
  else if (rows === 0) throw fileError(file, 'EMPTY_DATASET', 'has no text', 'give a file with some text');
}
