/** Texts as tokens, and which of them are learnt. */
import type { TextTokenizer } from './tokenizer.ts';

export interface TokenSpan {
  readonly inputIds: readonly number[];
  /** The completion is `[completionBegin, completionEnd)`; the whole row where it has none of its own. */
  readonly completionBegin: number;
  readonly completionEnd: number;
  /** What is learnt besides: every turn, where that was asked for. Default: the completion. */
  readonly learnt?: readonly (readonly [begin: number, end: number])[];
}

export const plain = (tokenizer: TextTokenizer, text: string): readonly number[] =>
  tokenizer.encode(text, { addSpecialTokens: false });

export function withoutTrailingSpace(ids: readonly number[], tokenizer: TextTokenizer): readonly number[] {
  const isSpace = (id: number): boolean => tokenizer.decode([id], { skipSpecialTokens: false }).trim() === '';
  let end = ids.length;
  while (end > 1 && isSpace(ids[end - 1]!)) end--;
  return ids.slice(0, end);
}

/** Whether the template puts a mark after the answer. */
export const endsTurn = (completionText: string, content: string): boolean => {
  const trimmed = completionText.trimEnd();
  return trimmed.length > 0 && (content.trim() === '' || !trimmed.endsWith(content.trimEnd()));
};

/**
 * Parts of a text, given by characters, as parts of its tokens. Where a token would reach over a border, the text is cut
 * at all of them, as it was when the model wrote the parts.
 */
export function encodeSpans(
  tokenizer: TextTokenizer,
  text: string,
  spans: readonly (readonly [number, number])[],
): Pick<TokenSpan, 'inputIds'> & { readonly learnt: readonly (readonly [number, number])[] } {
  const borders = spans.flat();
  const all = plain(tokenizer, text);
  const places = borders.map((border) => {
    const before = plain(tokenizer, text.slice(0, border));
    return before.every((id, i) => all[i] === id) ? before.length : -1;
  });
  if (!places.includes(-1)) return { inputIds: all, learnt: pairs(places) };
  const inputIds: number[] = [];
  const cut = [0, ...borders].map((begin, i) => {
    inputIds.push(...plain(tokenizer, text.slice(begin, borders[i] ?? text.length)));
    return inputIds.length;
  });
  return { inputIds, learnt: pairs(cut.slice(0, -1)) };
}

const pairs = (borders: readonly number[]): [number, number][] =>
  Array.from({ length: borders.length / 2 }, (_, i) => [borders[2 * i]!, borders[2 * i + 1]!]);
