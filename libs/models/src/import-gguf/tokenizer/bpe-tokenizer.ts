/** tokenizer.json of a byte-level BPE tokenizer (GGUF's `gpt2` model), from the lists in the metadata. */
import { damaged } from '../errors.ts';
import type { GgufMetadata } from '../metadata.ts';
import { addedToken, postProcessor, tokenTypes, type SpecialIds } from './added-tokens.ts';
import type { PreTokenizer } from './pre-tokenizers.ts';

export function bpeTokenizer(
  metadata: GgufMetadata,
  pre: PreTokenizer,
  specials: SpecialIds,
  fileName: string,
): object {
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const types = tokenTypes(metadata, tokens, fileName);
  const added = tokens.flatMap((content, id) => addedToken(content, id, types[id]!));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: pre.preTokenizer,
    post_processor: postProcessor(tokens, specials),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      // A byte that has no token is left out, as llama.cpp does.
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges ?? false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: metadata.texts('tokenizer.ggml.merges').map((merge) => splitMerge(merge, fileName)),
    },
  };
}

/** Two tokens with a space between; the first may begin with one. */
function splitMerge(merge: string, fileName: string): [string, string] {
  const at = merge.indexOf(' ', 1);
  if (at < 0)
    throw damaged(fileName, `has the merge "${merge}" of one token`, 'tokenizer.ggml.merges', merge);
  return [merge.slice(0, at), merge.slice(at + 1)];
}
