/** A Mixtral layer: Mistral's attention, and experts of which each token has some, with weights that sum to 1. */
import { silu } from '../../layers/activation.ts';
import { expertsMlp } from '../../layers/experts.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { selfAttention, separate } from '../../layers/self-attention.ts';
import { expertLinears, ROUTER, type MixtralConfig } from './config.ts';

export const layer = layerOf(
  {
    pre: rmsNormOf<MixtralConfig>('input_layernorm.weight'),
    half: selfAttention<MixtralConfig>({
      projections: separate('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
      output: 'self_attn.o_proj',
    }),
  },
  {
    pre: rmsNormOf<MixtralConfig>('post_attention_layernorm.weight'),
    half: expertsMlp<MixtralConfig>({
      router: ROUTER,
      linears: expertLinears,
      activation: silu,
      routing: ({ expertsPerToken }) => ({ perRow: expertsPerToken, normalized: true }),
    }),
  },
);
