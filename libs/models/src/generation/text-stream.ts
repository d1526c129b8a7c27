/**
 * Text of tokens as they come, each piece whole: no broken UTF-8, and no space lost. A token's text depends on those
 * before it (SentencePiece drops the space before the first, bytes of one character are several tokens), so each is
 * decoded together with the piece before, and what is new is the difference; while that ends in a character of which
 * bytes are missing, it is held back (the way of Hugging Face's text-generation-inference). Limit: where the tokenizer
 * cleans up spaces before punctuation, this sees only what two neighbouring pieces show.
 */
export class TextStream {
  readonly #decode: (ids: readonly number[]) => string;
  /** The piece before, and after it what is not yet text. */
  #ids: number[];
  #known: number;

  /** `before`: tokens that the text goes on after; none where it begins anew. */
  constructor(decode: (ids: readonly number[]) => string, before: readonly number[] = []) {
    this.#decode = decode;
    this.#ids = before.slice(-CONTEXT_TOKENS);
    this.#known = this.#ids.length;
  }

  /** What has become text by this token; maybe nothing yet. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#newText();
    if (text === '' || text.endsWith(REPLACEMENT)) return '';
    this.#ids = this.#ids.slice(this.#known);
    this.#known = this.#ids.length;
    return text;
  }

  /** What was held back: nothing comes after it. */
  end(): string {
    const text = this.#newText();
    this.#known = this.#ids.length;
    return text;
  }

  #newText(): string {
    const known = this.#decode(this.#ids.slice(0, this.#known));
    return this.#decode(this.#ids).slice(known.length);
  }
}

/** What stands for bytes that are no character. */
const REPLACEMENT = '\ufffd';

/** Enough of a prompt to decode what follows it: a character has at most four bytes. */
const CONTEXT_TOKENS = 8;
