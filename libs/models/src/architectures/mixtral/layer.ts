/** A Mixtral layer: Mistral's attention, and experts of which each token has some, with weights that sum to 1. */
import { silu } from '../../layers/activation.ts';
import { expertsMlp } from '../../layers/experts.ts';
import { layerOf } from '../../layers/parts.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import { attentionBranch, MLP_NORM } from '../rotary-decoder.ts';
import { expertLinears, ROUTER, type MixtralConfig } from './config.ts';

export const layer = layerOf(attentionBranch<MixtralConfig>(), {
  pre: rmsNormOf<MixtralConfig>(MLP_NORM),
  half: expertsMlp<MixtralConfig>({
    router: ROUTER,
    linears: expertLinears,
    activation: silu,
    routing: ({ expertsPerToken }) => ({ perRow: expertsPerToken, normalized: true }),
  }),
});
