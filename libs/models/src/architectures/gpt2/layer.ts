/**
 * A GPT-2 layer:
 *   x₁ = x + c_proj(attention(q, k, v)),  [q k v] = c_attn(layerNorm(x))
 *   y = x₁ + c_proj(gelu(c_fc(layerNorm(x₁))))
 */
import { geluTanh } from '../../layers/activation.ts';
import { layerNormOf } from '../../layers/layer-norm.ts';
import { layerOf } from '../../layers/parts.ts';
import { plainMlp } from '../../layers/plain-mlp.ts';
import { fused, selfAttention } from '../../layers/self-attention.ts';
import type { Gpt2Config } from './config.ts';

export const layer = layerOf(
  {
    pre: layerNormOf<Gpt2Config>('ln_1'),
    half: selfAttention<Gpt2Config>({ projections: fused('attn.c_attn'), output: 'attn.c_proj' }),
  },
  {
    pre: layerNormOf<Gpt2Config>('ln_2'),
    half: plainMlp<Gpt2Config>({ up: 'mlp.c_fc', down: 'mlp.c_proj', activation: geluTanh }),
  },
);
