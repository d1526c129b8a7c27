/** A Qwen3 decoder layer: Llama's, with norms over each head of the queries and of the keys before they are rotated. */
import { silu } from '../../layers/activation.ts';
import { gatedMlp, separateGate } from '../../layers/mlp.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { selfAttention, separate } from '../../layers/self-attention.ts';
import type { Qwen3Config } from './config.ts';

export const layer = layerOf<Qwen3Config>(
  {
    pre: rmsNormOf('input_layernorm.weight'),
    half: selfAttention({
      projections: separate('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
      output: 'self_attn.o_proj',
      headNorms: {
        q: 'self_attn.q_norm.weight',
        k: 'self_attn.k_norm.weight',
        eps: ({ rmsNormEps }) => rmsNormEps,
      },
    }),
  },
  {
    pre: rmsNormOf('post_attention_layernorm.weight'),
    half: gatedMlp({
      projections: separateGate('mlp.gate_proj', 'mlp.up_proj'),
      down: 'mlp.down_proj',
      activation: silu,
    }),
  },
);
