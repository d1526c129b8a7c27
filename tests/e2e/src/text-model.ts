/** tiny-llama with a tokenizer: a byte a token, three of them special, so that texts can go through every stage. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { byteCharacters } from './byte-tokenizer.ts';
import { tinyLlama } from './emloc.ts';

const specials = ['<|im_start|>', '<|im_end|>', '<|endoftext|>'];

export const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** `template`: the model's chat template; none: it has none. */
export function writeTextModel(directory: string, template?: string): string {
  mkdirSync(directory, { recursive: true }); // a test that is tried again finds its own
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(join(tinyLlama, file), join(directory, file));
  // Bytes 0xfd to 0xff stand in no UTF-8: their ids are the special tokens'.
  const bytes = byteCharacters().slice(0, 256 - specials.length);
  const added = specials.map((content, i) => ({
    ...{ id: bytes.length + i, content, special: true, normalized: false },
    ...{ lstrip: false, rstrip: false, single_word: false },
  }));
  const vocab = Object.fromEntries([...bytes, ...specials].map((name, id) => [name, id]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    ...{ version: '1.0', truncation: null, padding: null, added_tokens: added },
    ...{ normalizer: null, pre_tokenizer: byteLevel, post_processor: null, decoder: byteLevel },
    model: { type: 'BPE', vocab, merges: [] },
  };
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(
    join(directory, 'tokenizer_config.json'),
    JSON.stringify({ eos_token: '<|endoftext|>', chat_template: template }),
  );
  return directory;
}
