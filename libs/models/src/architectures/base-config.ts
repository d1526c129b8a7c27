/** The fields of config.json that every decoder has, in Hugging Face's usual spelling, read and checked. */
import { z } from 'zod';
import type { ModelConfig } from '../types.ts';
import { asList, badConfig, dtypeHint, dtypeShape, positiveInt, tokenId } from './config-fields.ts';

export const baseShape = {
  hidden_size: positiveInt,
  num_hidden_layers: positiveInt,
  num_attention_heads: positiveInt,
  num_key_value_heads: positiveInt.nullish(),
  head_dim: positiveInt.nullish(),
  vocab_size: positiveInt,
  max_position_embeddings: positiveInt.nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: z.int().nullish(),
  ...dtypeShape,
};

type BaseFields = z.infer<z.ZodObject<typeof baseShape>>;

/** What an architecture takes where config.json says nothing; transformers leaves defaults out of the file. */
export interface BaseDefaults {
  /** Undefined: as many as attention heads. */
  readonly numKeyValueHeads?: number;
  /** Undefined: hidden_size / num_attention_heads. */
  readonly headDim?: number;
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
}

export const baseConfig = (
  architecture: string,
  modelType: string,
  raw: BaseFields,
  json: Readonly<Record<string, unknown>>,
  defaults: BaseDefaults,
): ModelConfig => {
  const numHeads = raw.num_attention_heads;
  // null is not absence here: transformers reads it as "as many as heads".
  const numKeyValueHeads =
    raw.num_key_value_heads ??
    (raw.num_key_value_heads === null ? undefined : defaults.numKeyValueHeads) ??
    numHeads;
  if (numHeads % numKeyValueHeads !== 0)
    throw badConfig(
      'num_key_value_heads',
      numKeyValueHeads,
      `${numHeads} attention heads cannot share ${numKeyValueHeads} key-value heads evenly`,
      'correct config.json',
    );
  const given = raw.head_dim ?? defaults.headDim;
  if (given === undefined && raw.hidden_size % numHeads !== 0)
    throw badConfig(
      'hidden_size',
      raw.hidden_size,
      `${raw.hidden_size} is not a multiple of ${numHeads} attention heads`,
      'add head_dim to config.json',
    );
  return {
    architecture,
    modelType,
    hiddenSize: raw.hidden_size,
    numLayers: raw.num_hidden_layers,
    numHeads,
    numKeyValueHeads,
    headDim: given ?? raw.hidden_size / numHeads,
    vocabSize: raw.vocab_size,
    maxPositionEmbeddings: raw.max_position_embeddings ?? defaults.maxPositionEmbeddings,
    tieWordEmbeddings: raw.tie_word_embeddings ?? defaults.tieWordEmbeddings,
    bosTokenId: raw.bos_token_id ?? undefined,
    eosTokenIds: asList(raw.eos_token_id),
    // Some checkpoints write -1 for "none".
    padTokenId: raw.pad_token_id == null || raw.pad_token_id < 0 ? undefined : raw.pad_token_id,
    dtype: dtypeHint(raw),
    raw: json,
  };
};

/** Refuses an activation that is none of those the architecture knows. */
export const checkActivation = (
  found: string | null | undefined,
  known: readonly string[],
  field = 'hidden_act',
): void => {
  const act = found ?? known[0]!;
  if (!known.includes(act))
    throw badConfig(field, act, `activation "${act}" is not supported`, `use a model with ${known[0]}`);
};
