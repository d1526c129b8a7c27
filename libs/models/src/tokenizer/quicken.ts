/**
 * Short ways around what took most of the time that rows take to become tokens; the ids are the same. Words of ASCII
 * stand for themselves in the byte-level alphabet, but for the space, and need not go through a TextEncoder byte by byte
 * (a third of the time). Words that were merged are remembered in a map that is not put in a new order at each look (a
 * fifth), and holds the words of a large file (the library's 10,000 are fewer than those of a few thousand rows).
 */
import type { Tokenizer } from '@huggingface/tokenizers';

/** What is used of the library's classes, whose types its package does not give to ESM. */
interface ByteLevel {
  readonly add_prefix_space: boolean;
  readonly use_regex: boolean;
  readonly pattern: RegExp;
  readonly text_encoder: { encode(text: string): Uint8Array };
  readonly byte_encoder: Readonly<Record<number, string>>;
  pre_tokenize_text(text: string): string[];
}

interface Sequence {
  readonly tokenizers: readonly (PreTokenizer | null)[];
}

type PreTokenizer = ByteLevel | Sequence | object;

interface Bpe {
  cache: Pick<WordMemo, 'get' | 'put' | 'clear'>;
}

/** Puts the short ways in the place of the library's. */
export function quicken(tokenizer: Tokenizer): void {
  const { pre_tokenizer: first, model } = tokenizer as {
    readonly pre_tokenizer: PreTokenizer | null;
    readonly model: Bpe | object;
  };
  quickenWords(first);
  if ('cache' in model) model.cache = new WordMemo();
}

function quickenWords(own: PreTokenizer | null): void {
  if (own === null) return;
  if ('tokenizers' in own) own.tokenizers.forEach(quickenWords);
  if ('byte_encoder' in own) own.pre_tokenize_text = (text) => byteLevelWords(own, text);
}

const printableAscii = /^[ -~]*$/;
/** What the alphabet of bytes has for a space. */
const space = 'Ġ';

function byteLevelWords(own: ByteLevel, text: string): string[] {
  const whole = own.add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
  const words: readonly string[] = own.use_regex ? (whole.match(own.pattern) ?? []) : [whole];
  return words.map((word) =>
    printableAscii.test(word)
      ? word.replaceAll(' ', space)
      : Array.from(own.text_encoder.encode(word), (byte) => own.byte_encoder[byte]).join(''),
  );
}

/** Words with their tokens, some 10 MB; then all are forgotten. */
const rememberedWords = 40_000;

/** Takes the place of the library's LRUCache. */
class WordMemo {
  readonly #tokens = new Map<string, readonly string[]>();

  get(word: string): readonly string[] | undefined {
    return this.#tokens.get(word);
  }

  put(word: string, tokens: readonly string[]): void {
    if (this.#tokens.size >= rememberedWords) this.clear();
    this.#tokens.set(word, tokens);
  }

  clear(): void {
    this.#tokens.clear();
  }
}
