/** A Phi-3 decoder layer: Llama's with two fused linears, qkv and gate-up. */
import { silu } from '../../layers/activation.ts';
import { fusedGate, gatedMlp } from '../../layers/mlp.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { fused, selfAttention } from '../../layers/self-attention.ts';
import type { Phi3Config } from './config.ts';

export const layer = layerOf<Phi3Config>(
  {
    pre: rmsNormOf('input_layernorm.weight'),
    half: selfAttention({
      projections: fused('self_attn.qkv_proj'),
      output: 'self_attn.o_proj',
    }),
  },
  {
    pre: rmsNormOf('post_attention_layernorm.weight'),
    half: gatedMlp({
      projections: fusedGate('mlp.gate_up_proj'),
      down: 'mlp.down_proj',
      activation: silu,
    }),
  },
);
