import { architectureOf, type ModelConfig, type StoredTensor } from '@emloc/models';
import { elementCount } from '@emloc/tensor-stream';
import { describe, expect, test } from 'vitest';
import type { PlannedModel } from './copied-bytes.ts';
import { predictPeak } from './predict-peak.ts';

/**
 * What `libs/emloc/bench/memory.ts` measured (docs/benchmarks.md), in MB: 4 rows of 256 tokens, all labelled, bf16
 * multiplied as it is, one process each.
 */
const common = { vocab_size: 49152, num_hidden_layers: 4, rms_norm_eps: 1e-6, max_position_embeddings: 2048 };
const wide = {
  ...common,
  hidden_size: 1024,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  intermediate_size: 2816,
};
const shapes: Record<string, { readonly raw: Record<string, unknown>; readonly begin: number }> = {
  llama: { raw: { ...wide, model_type: 'llama' }, begin: 40 },
  phi3: { raw: { ...wide, model_type: 'phi3', pad_token_id: 0 }, begin: 56 },
  gemma3: {
    raw: {
      ...wide,
      model_type: 'gemma3_text',
      num_attention_heads: 8,
      head_dim: 128,
      intermediate_size: 4096,
      sliding_window: 128,
      query_pre_attn_scalar: 256,
    },
    begin: 48,
  },
  gpt2: {
    raw: { model_type: 'gpt2', vocab_size: 49152, n_embd: 1024, n_layer: 4, n_head: 16, n_positions: 1024 },
    begin: 32,
  },
  'qwen3-moe': {
    raw: {
      ...wide,
      model_type: 'qwen3_moe',
      head_dim: 64,
      moe_intermediate_size: 512,
      num_experts: 16,
      num_experts_per_tok: 4,
      decoder_sparse_step: 1,
      norm_topk_prob: false,
    },
    begin: 0,
  },
};

/** As a directory whose tensors begin at such an offset: a multiple of 64 is used where it lies. */
function modelOf(shape: string): PlannedModel {
  const { raw, begin } = shapes[shape]!;
  const architecture = architectureOf(raw['model_type'] as string);
  const config: ModelConfig = { ...architecture.parseConfig(raw), dtype: 'bf16' };
  const tensors = architecture
    .expectedTensors(config)
    .map(({ name, shape: dims }): [string, StoredTensor] => {
      const end = begin + 2 * elementCount(dims);
      return [name, { file: '', name, dtype: 'bf16', shape: dims, begin, end }];
    });
  return { architecture, config, tensors: new Map(tensors) };
}

describe.each([
  ['llama', { inference: 825, calibration: 712, refinement: 692 }],
  ['phi3', { inference: 822, calibration: 711, refinement: 598 }],
  ['gemma3', { inference: 837, calibration: 839, refinement: 726 }],
  ['gpt2', { inference: 782, calibration: 773, refinement: 703 }],
  ['qwen3-moe', { inference: 1002, calibration: 731, refinement: 852 }],
])('%s', (shape, measured) => {
  test.each(Object.entries(measured) as ['inference' | 'calibration' | 'refinement', number][])(
    '%s is predicted within an eighth of the %i MB that were measured',
    (stage, megabytes) => {
      const { totalBytes } = predictPeak(stage, {
        model: modelOf(shape),
        convertsWeights: false,
        microBatchTokens: 1024,
        sequenceTokens: 256,
        calibrationTokens: 1024,
        resident: stage === 'inference',
        lora: { r: 8, targetModules: 'all-linear' },
      });
      expect(Math.abs(totalBytes / 1e6 / megabytes - 1)).toBeLessThan(0.125);
    },
  );
});

test('weights that are not aligned in their file are private memory, the same bytes once', () => {
  const aligned = modelOf('qwen3-moe');
  const tensors = new Map(
    [...(aligned.tensors ?? [])].map(([name, t]) => [name, { ...t, begin: t.begin + 8, end: t.end + 8 }]),
  );
  const peak = (model: PlannedModel) =>
    predictPeak('inference', { model, convertsWeights: false, microBatchTokens: 256, sequenceTokens: 64 });
  const [mapped, copied] = [peak(aligned), peak({ ...aligned, tensors })];
  expect(copied.totalBytes / mapped.totalBytes).toBeCloseTo(1, 3);
  expect(copied.privateBytes - mapped.privateBytes).toBe(copied.parts['copiedWeights']);
  expect(copied.parts['copiedWeights']).toBeGreaterThan(400e6);
});

test('scores of long rows are made tile by tile, so they do not grow with the square of the length', () => {
  const inside = (tokens: number): number =>
    predictPeak('refinement', {
      model: modelOf('llama'),
      convertsWeights: false,
      microBatchTokens: tokens,
      sequenceTokens: tokens,
      labelledTokens: 1,
    }).parts['insideLayer'] ?? 0;
  expect(inside(8192)).toBeLessThan(2.2 * inside(4096));
});
