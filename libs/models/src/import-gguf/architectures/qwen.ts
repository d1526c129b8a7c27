/** Qwen2 (biases of query, key and value) and Qwen3 (norms of each head's query and key instead). */
import { commonParts, decoder, type DecoderFamily } from './decoder.ts';

const config: DecoderFamily['config'] = (_file, { theta, scaling }) => ({
  rope_parameters: { rope_type: 'default', ...scaling, rope_theta: theta },
  hidden_act: 'silu',
  use_sliding_window: false,
  sliding_window: null,
});

export const qwen2 = decoder({
  name: 'qwen2',
  className: 'Qwen2ForCausalLM',
  modelType: 'qwen2',
  parts: commonParts,
  config,
});

export const qwen3 = decoder({
  name: 'qwen3',
  className: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  parts: { ...commonParts, attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' },
  config: (file, sizes) => ({
    ...config(file, sizes),
    attention_bias: file.tensors.has('blk.0.attn_q.bias'),
  }),
});
