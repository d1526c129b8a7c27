/**
 * What most decoders since Llama are made of: names, embedding, branches of a layer, the last norm. An architecture
 * takes of it what is its own, too, and says the rest.
 */
import { silu } from '../layers/activation.ts';
import { embedRows } from '../layers/embedding.ts';
import { finalNormOf } from '../layers/final-norm.ts';
import { gatedMlp, separateGate, type MlpInside } from '../layers/mlp.ts';
import type { Branch } from '../layers/parts.ts';
import { rmsNormOf } from '../layers/rms-norm.ts';
import { selfAttention, separate, type AttentionInside, type HeadNorms } from '../layers/self-attention.ts';
import type { Architecture } from '../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from './decoder-names.ts';
import type { RotaryDecoderConfig } from './rotary-decoder-config.ts';

export const rotaryDecoder: Pick<
  Architecture<RotaryDecoderConfig>,
  'namePrefix' | 'moduleName' | 'tensorNames' | 'embed' | 'finalNorm' | 'finalNormBackward'
> = {
  ...decoderNames,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};

/** All layers attend alike; through a window where `windowOf` gives one. */
export const oneAttention = <C extends RotaryDecoderConfig>(
  windowOf: (config: C) => number | undefined,
): Pick<Architecture<C>, 'attentionKinds' | 'attentionKindOf'> => ({
  attentionKinds: (config) => {
    const window = windowOf(config);
    const { rope, headDim } = config;
    return [{ rope, scale: 1 / Math.sqrt(headDim), ...(window === undefined ? {} : { window }) }];
  },
  attentionKindOf: () => 0,
});

/** o(attention(rope(q(n)), rope(k(n)), v(n))),  n = rmsNorm(x) */
export const attentionBranch = <C extends RotaryDecoderConfig>(
  headNorms?: HeadNorms<C>,
): Branch<C, AttentionInside> => ({
  pre: rmsNormOf('input_layernorm.weight'),
  half: selfAttention({
    projections: separate('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
    output: 'self_attn.o_proj',
    headNorms,
  }),
});

/** Qwen3's norms of queries and keys. */
export const queryKeyNorms: HeadNorms<RotaryDecoderConfig> = {
  q: 'self_attn.q_norm.weight',
  k: 'self_attn.k_norm.weight',
  eps: ({ rmsNormEps }) => rmsNormEps,
};

export const MLP_NORM = 'post_attention_layernorm.weight';

/** down(silu(gate(n)) · up(n)),  n = rmsNorm(x) */
export const mlpBranch = <C extends RotaryDecoderConfig>(): Branch<C, MlpInside> => ({
  pre: rmsNormOf(MLP_NORM),
  half: gatedMlp({
    projections: separateGate('mlp.gate_proj', 'mlp.up_proj'),
    down: 'mlp.down_proj',
    activation: silu,
  }),
});
