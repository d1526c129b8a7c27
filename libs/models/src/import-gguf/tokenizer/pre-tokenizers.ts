/**
 * How text is cut before its bytes are merged. GGUF names the way (`tokenizer.ggml.pre`, after the model it was first
 * seen in); here is what stands in the tokenizer.json of those models. A name that is not here is refused: another
 * way of cutting gives other tokens, without a word.
 */
import { unsupported } from '../errors.ts';

export interface PreTokenizer {
  readonly normalizer?: object;
  readonly preTokenizer: object;
  /** A piece that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** What `add_bos_token` means where the file lacks it. */
  readonly addBosByDefault?: boolean;
}

const byteLevel = (useRegex: boolean): object => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const split = (pattern: string): object => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});

const sequence = (...pretokenizers: object[]): object => ({ type: 'Sequence', pretokenizers });

/** Llama 3's pattern takes up to three digits at once, Qwen 2's one. */
const wordsAndDigits = (digits: string): string =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|` +
  digits +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const gpt2: PreTokenizer = { preTokenizer: byteLevel(true) };

const llama3: PreTokenizer = {
  preTokenizer: sequence(split(wordsAndDigits(String.raw`\p{N}{1,3}`)), byteLevel(false)),
  ignoreMerges: true,
  addBosByDefault: true,
};

const qwen2: PreTokenizer = {
  normalizer: { type: 'NFC' },
  preTokenizer: sequence(split(wordsAndDigits(String.raw`\p{N}`)), byteLevel(false)),
};

const known: Readonly<Record<string, PreTokenizer>> = {
  // Files from before the name existed; llama.cpp falls back to much the same.
  default: gpt2,
  'gpt-2': gpt2,
  // `Digits` in the model's own file, which JavaScript's library takes to be 0 to 9 alone; this is the same in both.
  smollm: { preTokenizer: sequence(split(String.raw`\p{N}`), byteLevel(true)) },
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  qwen2,
  'deepseek-r1-qwen': qwen2,
};

export function preTokenizerOf(name: string, fileName: string): PreTokenizer {
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  if (found) return found;
  const mend = `supported: ${Object.keys(known).join(', ')}; or import from the model's Hugging Face directory`;
  throw unsupported(fileName, `cuts text in the way of ${name}`, 'tokenizer.ggml.pre', name, mend);
}
