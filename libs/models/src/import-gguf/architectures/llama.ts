/**
 * The Llama architecture (also SmolLM, TinyLlama, Mistral and others that llama.cpp files under it). llama.cpp rotates
 * neighbouring pairs, Hugging Face the two halves of a head, so its converter interleaves the rows of each head of the
 * query and key matrices; here they go back. Of the other architectures the rows are as they were.
 */
import { commonParts, decoder } from './decoder.ts';

export const llama = decoder({
  name: 'llama',
  className: 'LlamaForCausalLM',
  modelType: 'llama',
  parts: commonParts,
  config: ({ tensors }, { theta, scaling }) => ({
    rope_parameters: { rope_type: 'default', ...scaling, rope_theta: theta },
    hidden_act: 'silu',
    attention_bias: tensors.has('blk.0.attn_q.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
  }),
  stored: (part, { headDim }) =>
    part === 'attn_q' || part === 'attn_k'
      ? { groupRows: headDim, rowOf: (row) => interleavedRow(row, headDim) }
      : {},
});

/** Row `row` of a head, first half then second half, lies at twice its place in the half, the second half between. */
const interleavedRow = (row: number, headDim: number): number => {
  const half = headDim / 2;
  return row < half ? 2 * row : 2 * (row - half) + 1;
};
