/**
 * A Gemma 3 decoder layer; every norm's weight is stored less 1:
 *   x₁ = x + norm(o(attention(rope(norm(q(n))), rope(norm(k(n))), v(n)))),  n = norm(x)
 *   y = x₁ + norm(down(gelu(gate(n₂)) · up(n₂))),  n₂ = norm(x₁)
 */
import { geluTanh } from '../../layers/activation.ts';
import { gatedMlp, separateGate } from '../../layers/mlp.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { selfAttention, separate } from '../../layers/self-attention.ts';
import type { Gemma3Config } from './config.ts';

export const layer = layerOf<Gemma3Config>(
  {
    pre: rmsNormOf('input_layernorm.weight', true),
    half: selfAttention({
      projections: separate('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
      output: 'self_attn.o_proj',
      headNorms: {
        q: 'self_attn.q_norm.weight',
        k: 'self_attn.k_norm.weight',
        eps: ({ rmsNormEps }) => rmsNormEps,
        plusOne: true,
      },
    }),
    post: rmsNormOf('post_attention_layernorm.weight', true),
  },
  {
    pre: rmsNormOf('pre_feedforward_layernorm.weight', true),
    half: gatedMlp({
      projections: separateGate('mlp.gate_proj', 'mlp.up_proj'),
      down: 'mlp.down_proj',
      activation: geluTanh,
    }),
    post: rmsNormOf('post_feedforward_layernorm.weight', true),
  },
);
