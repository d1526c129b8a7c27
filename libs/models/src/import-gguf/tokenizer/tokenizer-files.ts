/** tokenizer.json, tokenizer_config.json and generation_config.json, and the token ids that config.json repeats. */
import { damaged, unsupported } from '../errors.ts';
import type { GgufMetadata } from '../metadata.ts';
import { endTokens } from './added-tokens.ts';
import { bpeTokenizer } from './bpe-tokenizer.ts';
import { preTokenizerOf } from './pre-tokenizers.ts';
import { sentencePieceTokenizer } from './sentencepiece-tokenizer.ts';

export interface TokenizerFiles {
  readonly files: Readonly<Record<string, object>>;
  readonly tokenIds: Readonly<Record<string, number | readonly number[] | null>>;
}

export function tokenizerFiles(
  metadata: GgufMetadata,
  contextLength: number,
  fileName: string,
): TokenizerFiles {
  const model = metadata.text('tokenizer.ggml.model');
  if (model !== 'gpt2' && model !== 'llama') {
    const mend =
      'import a model with a byte-level BPE (gpt2) or SentencePiece BPE (llama) tokenizer, or use its Hugging Face directory';
    throw unsupported(fileName, `has a tokenizer of the kind ${model}`, 'tokenizer.ggml.model', model, mend);
  }
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const id = (name: string): number | undefined => {
    const key = `tokenizer.ggml.${name}_token_id`;
    const found = metadata.optionalCount(key);
    if (found === undefined || found < tokens.length) return found;
    throw damaged(fileName, `has ${key} ${found}, beyond its ${tokens.length} tokens`, key, `${found}`);
  };
  const named = endTokens(tokens);
  // llama.cpp's converter leaves the id out where config.json has several.
  const eos = id('eos') ?? named.text[0] ?? named.turn[0];
  const [bos, unknown, padding] = [id('bos'), id('unknown'), id('padding')];
  const pre =
    model === 'gpt2'
      ? preTokenizerOf(metadata.optionalText('tokenizer.ggml.pre') ?? 'default', fileName)
      : undefined;
  const addBos =
    metadata.optionalFlag('tokenizer.ggml.add_bos_token') ?? pre?.addBosByDefault ?? model === 'llama';
  const addEos = metadata.optionalFlag('tokenizer.ggml.add_eos_token') ?? false;
  const around = { before: addBos ? bos : undefined, after: addEos ? eos : undefined };
  const name = (of: number | undefined): string | null => (of === undefined ? null : tokens[of]!);
  const tokenIds = {
    bos_token_id: bos ?? null,
    eos_token_id: endIds([eos, id('eot'), id('eom'), ...named.turn, ...named.text]),
    pad_token_id: padding ?? null,
  };
  return {
    tokenIds,
    files: {
      'tokenizer.json':
        pre === undefined
          ? sentencePieceTokenizer(metadata, around, unknown, fileName)
          : bpeTokenizer(metadata, pre, around, fileName),
      'tokenizer_config.json': {
        tokenizer_class: 'PreTrainedTokenizerFast',
        bos_token: name(bos),
        eos_token: name(eos),
        unk_token: name(unknown),
        pad_token: name(padding),
        model_max_length: contextLength,
        clean_up_tokenization_spaces: false,
        chat_template: metadata.optionalText('tokenizer.chat_template'),
      },
      'generation_config.json': tokenIds,
    },
  };
}

/** Some models end a text with one token and a turn with another; generation stops at each. */
function endIds(found: readonly (number | undefined)[]): number | readonly number[] | null {
  const ids = [...new Set(found)].filter((id) => id !== undefined);
  return ids.length > 1 ? ids : (ids[0] ?? null);
}
