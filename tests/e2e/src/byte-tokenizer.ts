/** A tokenizer whose tokens are the 256 bytes, and a chat template: for models of a vocabulary of 256 that have none. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The characters that stand for bytes in byte-level vocabularies (GPT-2). */
export function byteCharacters(): string[] {
  const plain = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : next++));
}

/** Writes tokenizer.json and tokenizer_config.json. */
export function writeByteTokenizer(directory: string): void {
  const level = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  writeFileSync(
    join(directory, 'tokenizer.json'),
    JSON.stringify({
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: level,
      post_processor: null,
      decoder: level,
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(byteCharacters().map((character, id) => [character, id])),
        merges: [],
      },
    }),
  );
  const chat_template =
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  writeFileSync(join(directory, 'tokenizer_config.json'), JSON.stringify({ chat_template }));
}
