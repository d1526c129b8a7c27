import { openModel } from '@emloc/models';
import { expect, test } from 'vitest';
import { tinyLlama } from '../testing/fixture.ts';
import { predictPeak, ratioThatFits, type Stage } from './predict-peak.ts';
import type { MemorySpec } from './stage-sizes.ts';

/** SmolLM2-135M's shape. */
const small = openModel(tinyLlama);
const model = {
  architecture: small.architecture,
  config: {
    ...small.config,
    hiddenSize: 576,
    numLayers: 30,
    numHeads: 9,
    numKeyValueHeads: 3,
    headDim: 64,
    intermediateSize: 1536,
    vocabSize: 49152,
    dtype: 'bf16' as const,
  },
};
const spec: MemorySpec = {
  model,
  convertsWeights: true,
  microBatchTokens: 264,
  sequenceTokens: 132,
  microBatches: 4,
  labelledTokens: 40,
  ratio: 0.5,
  lora: { r: 8, targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj'] },
  calibrationTokens: 7600,
  candidates: 7,
};
const stages: Stage[] = [
  'calibration',
  'compression',
  'training',
  'refinement',
  'correction',
  'selection',
  'merge',
];

test('the parts add up, and private memory leaves out what is mapped', () => {
  for (const stage of stages) {
    const { totalBytes, privateBytes, parts } = predictPeak(stage, spec);
    expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(totalBytes);
    expect(privateBytes).toBeLessThan(totalBytes);
  }
});

test.each(stages)('%s needs no more than inference with the original', (stage) => {
  const { totalBytes } = predictPeak(stage, spec);
  expect(totalBytes).toBeLessThanOrEqual(predictPeak('inference', spec).totalBytes);
});

test('more tokens, layers in f32 and a larger ratio need more', () => {
  // Few logits: the peak is in a layer, not at the head.
  const peak = (change: Partial<MemorySpec>) =>
    predictPeak('training', { ...spec, resident: true, labelledTokens: 1, ...change }).totalBytes;
  expect(peak({ microBatchTokens: 2000 })).toBeGreaterThan(peak({}));
  expect(peak({ ratio: 0.9 })).toBeGreaterThan(peak({ ratio: 0.3 }));
  expect(peak({ convertsWeights: false })).toBeLessThan(peak({}));
});

test('for a budget the largest ratio that fits is found, or none', () => {
  const resident = { ...spec, resident: true };
  const { totalBytes } = predictPeak('training', { ...resident, ratio: 0.6 });
  expect(ratioThatFits(resident, totalBytes)).toBe(0.6);
  expect(ratioThatFits(spec, 10 * 2 ** 20)).toBeUndefined();
});

test('a mixture of experts needs room for what each of a token’s experts gives', () => {
  const at = (expertsPerToken?: number): MemorySpec => ({
    ...spec,
    convertsWeights: false,
    labelledTokens: 1,
    model: {
      ...model,
      config: { ...model.config, ...(expertsPerToken !== undefined && { expertsPerToken }) },
    },
  });
  const inside = (expertsPerToken?: number): number =>
    predictPeak('inference', at(expertsPerToken)).parts['insideLayer'] ?? 0;
  const joined = inside(4) - inside();
  // Two micro-batches at once.
  expect(joined).toBe(2 * 4 * 4 * 4 * spec.microBatchTokens * 576);
  expect(inside(8) - inside()).toBe(2 * joined);
});
