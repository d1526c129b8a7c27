/**
 * A Llama decoder layer:
 *   x₁ = x + o(attention(rope(q(n)), rope(k(n)), v(n))),  n = rmsNorm(x)
 *   y = x₁ + down(silu(gate(n₂)) · up(n₂)),  n₂ = rmsNorm(x₁)
 */
import { layerOf } from '../../layers/parts.ts';
import { attentionBranch, mlpBranch } from '../rotary-decoder.ts';
import type { LlamaConfig } from './config.ts';

export const layer = layerOf<LlamaConfig>(attentionBranch(), mlpBranch());
