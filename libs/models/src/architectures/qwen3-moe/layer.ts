/** A Qwen3 layer, whose MLP is one of its own, or experts that a router chooses for each token. */
import { silu } from '../../layers/activation.ts';
import { expertsMlp } from '../../layers/experts.ts';
import { layerOf, type Layer } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { attentionBranch, MLP_NORM, mlpBranch, queryKeyNorms } from '../rotary-decoder.ts';
import { expertLinears, hasExperts, ROUTER, type Qwen3MoeConfig } from './config.ts';

const attention = attentionBranch<Qwen3MoeConfig>(queryKeyNorms);

const dense = layerOf(attention, mlpBranch());

const sparse = layerOf(attention, {
  pre: rmsNormOf<Qwen3MoeConfig>(MLP_NORM),
  half: expertsMlp<Qwen3MoeConfig>({
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
