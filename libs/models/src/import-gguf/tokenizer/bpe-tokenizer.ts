/** tokenizer.json of a byte-level BPE tokenizer (GGUF's `gpt2` model), from the lists in the metadata. */
import { damaged } from '../errors.ts';
import type { GgufMetadata } from '../metadata.ts';
import type { PreTokenizer } from './pre-tokenizers.ts';

/** llama.cpp's token types. */
const tokenType = { control: 3, userDefined: 4 } as const;

export function bpeTokenizer(
  metadata: GgufMetadata,
  pre: PreTokenizer,
  specials: SpecialIds,
  fileName: string,
): object {
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const types = metadata.optionalNumbers('tokenizer.ggml.token_type') ?? tokens.map(() => 1);
  if (types.length !== tokens.length) {
    const problem = `has ${types.length} token types for ${tokens.length} tokens`;
    throw damaged(fileName, problem, 'tokenizer.ggml.token_type', `${types.length}`);
  }
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

/** Which special tokens are put around a text. */
export interface SpecialIds {
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Tokens that are found in the text before anything else: control tokens, and what the model's authors added. */
function addedToken(content: string, id: number, type: number): object[] {
  if (type !== tokenType.control && type !== tokenType.userDefined) return [];
  const special = type === tokenType.control;
  return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
}

function postProcessor(tokens: readonly string[], { before, after }: SpecialIds): object | null {
  if (before === undefined && after === undefined) return null;
  const special = (id: number | undefined, type_id: number): object[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id]!, type_id } }];
  const around = (name: string, type_id: number): object[] => [
    ...special(before, type_id),
    { Sequence: { id: name, type_id } },
    ...special(after, type_id),
  ];
  const ids = [...new Set([before, after])].filter((id) => id !== undefined);
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(
      ids.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }]),
    ),
  };
}

/** Two tokens with a space between; the first may begin with one. */
function splitMerge(merge: string, fileName: string): [string, string] {
  const at = merge.indexOf(' ', 1);
  if (at < 0)
    throw damaged(fileName, `has the merge "${merge}" of one token`, 'tokenizer.ggml.merges', merge);
  return [merge.slice(0, at), merge.slice(at + 1)];
}
