/**
 * tokenizer.json of SentencePiece's BPE (GGUF's `llama` model: Llama 1 and 2, Mistral, Gemma). SentencePiece joins the
 * neighbours whose join has the best score; tokenizer.json wants the joins in order. They are rebuilt as transformers
 * does: every way to cut a piece into two others, by the score of the whole.
 */
import { damaged } from '../errors.ts';
import type { GgufMetadata } from '../metadata.ts';
import { addedToken, postProcessor, tokenTypes, type SpecialIds } from './added-tokens.ts';

export function sentencePieceTokenizer(
  metadata: GgufMetadata,
  specials: SpecialIds,
  unknown: number | undefined,
  fileName: string,
): object {
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const types = tokenTypes(metadata, tokens, fileName);
  const scores = metadata.optionalNumbers('tokenizer.ggml.scores');
  if (scores?.length !== tokens.length) {
    const problem = `has ${scores?.length ?? 'no'} scores for ${tokens.length} tokens`;
    throw damaged(fileName, problem, 'tokenizer.ggml.scores', `${scores?.length ?? 0}`);
  }
  const hasPrefix = metadata.optionalFlag('tokenizer.ggml.add_space_prefix') ?? true;
  const toMark = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens.flatMap((content, id) => addedToken(content, id, types[id]!)),
    normalizer: hasPrefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, toMark] }
      : toMark,
    pre_tokenizer: null,
    post_processor: postProcessor(tokens, specials),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown === undefined ? null : tokens[unknown],
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: mergesOf(tokens, scores, types),
    },
  };
}

/** llama.cpp's type of a piece that text is made of. */
const normal = 1;

/** Best score first; of one piece, the cut whose halves come first in the vocabulary. */
export function mergesOf(
  tokens: readonly string[],
  scores: readonly number[],
  types: readonly number[],
): (readonly [string, string])[] {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (types[id] === normal) ids.set(token, id);
  });
  const byScore = [...ids.values()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  return byScore.flatMap((id) => cutsOf(tokens[id]!, ids));
}

function cutsOf(piece: string, ids: ReadonlyMap<string, number>): (readonly [string, string])[] {
  const letters = [...piece];
  const cuts: { readonly left: string; readonly right: string; readonly l: number; readonly r: number }[] =
    [];
  for (let at = 1; at < letters.length; at++) {
    const left = letters.slice(0, at).join('');
    const right = letters.slice(at).join('');
    const [l, r] = [ids.get(left), ids.get(right)];
    if (l !== undefined && r !== undefined) cuts.push({ left, right, l, r });
  }
  return cuts.sort((a, b) => a.l - b.l || a.r - b.r).map(({ left, right }) => [left, right] as const);
}
