/**
 * A Llama decoder layer:
 *   x₁ = x + o(attention(rope(q(n)), rope(k(n)), v(n))),  n = rmsNorm(x)
 *   y = x₁ + down(silu(gate(n₂)) · up(n₂)),  n₂ = rmsNorm(x₁)
 */
import { silu } from '../../layers/activation.ts';
import { gatedMlp, separateGate } from '../../layers/mlp.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { selfAttention, separate } from '../../layers/self-attention.ts';
import type { LlamaConfig } from './config.ts';

export const layer = layerOf<LlamaConfig>(
  {
    pre: rmsNormOf('input_layernorm.weight'),
    half: selfAttention({
      projections: separate('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
      output: 'self_attn.o_proj',
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
