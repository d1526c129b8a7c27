/** What mixtures of experts share: how many a token goes to, and their linears. */
import type { ExpertLinears } from '../layers/experts.ts';
import type { LinearSpec } from '../types.ts';
import { badConfig } from './config-fields.ts';
import { linearSpec } from './decoder-names.ts';

/** Refuses more experts for a token than there are. */
export const checkExpertsPerToken = (expertsPerToken: number, numExperts: number): void => {
  if (expertsPerToken > numExperts)
    throw badConfig(
      'num_experts_per_tok',
      expertsPerToken,
      `a token cannot go to ${expertsPerToken} of ${numExperts} experts`,
      'correct config.json',
    );
};

/** Of `count` gated MLPs from `hidden` over `inner`, by number; gate and up of each over one input. */
export const expertLinearSpecs = (
  count: number,
  linears: (expert: number) => ExpertLinears,
  hidden: number,
  inner: number,
): readonly LinearSpec[] =>
  Array.from({ length: count }, (_, expert) => linears(expert)).flatMap(({ gate, up, down }) =>
    [
      linearSpec(gate, hidden, inner, false, gate),
      linearSpec(up, hidden, inner, false, gate),
      linearSpec(down, inner, hidden, false),
    ].map((spec): LinearSpec => ({ ...spec, routed: true })),
  );
