/** A Qwen3 layer, whose MLP is one of its own, or experts that a router chooses for each token. */
import { silu } from '../../layers/activation.ts';
import { expertsMlp } from '../../layers/experts.ts';
import { gatedMlp, separateGate } from '../../layers/mlp.ts';
import { layerOf, type Branch, type Layer } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { selfAttention, separate, type AttentionInside } from '../../layers/self-attention.ts';
import { expertLinears, hasExperts, ROUTER, type Qwen3MoeConfig } from './config.ts';

const attention: Branch<Qwen3MoeConfig, AttentionInside> = {
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
};
const pre = rmsNormOf<Qwen3MoeConfig>('post_attention_layernorm.weight');

const dense = layerOf(attention, {
  pre,
  half: gatedMlp({
    projections: separateGate('mlp.gate_proj', 'mlp.up_proj'),
    down: 'mlp.down_proj',
    activation: silu,
  }),
});

const sparse = layerOf(attention, {
  pre,
  half: expertsMlp({
    router: ROUTER,
    linears: expertLinears,
    activation: silu,
    routing: ({ expertsPerToken, normalizedWeights }) => ({
      perRow: expertsPerToken,
      normalized: normalizedWeights,
    }),
  }),
});

const layerAt = (config: Qwen3MoeConfig, layer: number): Layer<Qwen3MoeConfig> =>
  hasExperts(config, layer) ? sparse : dense;

export const layer: Layer<Qwen3MoeConfig> = {
  layerForward: (x, w, lin, context, config) =>
    layerAt(config, context.layer).layerForward(x, w, lin, context, config),
  layerBackward: (x, dy, w, lin, context, config) =>
    layerAt(config, context.layer).layerBackward(x, dy, w, lin, context, config),
};
