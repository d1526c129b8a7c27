/**
 * Gemma 3, its text part. A norm multiplies by 1 + w; llama.cpp's converter stores the sum, so 1 is taken away again.
 * Which layers look at all positions, and the scale of the attention, are not in the file: they are llama.cpp's own.
 */
import { commonParts, decoder } from './decoder.ts';

const layersOf27B = 62;

export const gemma3 = decoder({
  name: 'gemma3',
  className: 'Gemma3ForCausalLM',
  modelType: 'gemma3_text',
  parts: {
    ...commonParts,
    attn_q_norm: 'self_attn.q_norm',
    attn_k_norm: 'self_attn.k_norm',
    post_attention_norm: 'post_attention_layernorm',
    ffn_norm: 'pre_feedforward_layernorm',
    post_ffw_norm: 'post_feedforward_layernorm',
  },
  config: ({ metadata }, { hidden, layers, heads, headDim }) => {
    const pattern = metadata.optionalCount('gemma3.attention.sliding_window_pattern') ?? 6;
    return {
      hidden_activation: 'gelu_pytorch_tanh',
      attention_bias: false,
      attn_logit_softcapping: null,
      final_logit_softcapping: metadata.optionalNumber('gemma3.final_logit_softcapping') ?? null,
      query_pre_attn_scalar: layers === layersOf27B ? hidden / heads : headDim,
      sliding_window: metadata.count('gemma3.attention.sliding_window'),
      sliding_window_pattern: pattern,
      layer_types: Array.from({ length: layers }, (_, layer) =>
        (layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
      ),
      rope_local_base_freq: metadata.optionalNumber('gemma3.rope.freq_base_swa') ?? 10_000,
    };
  },
  stored: (part) => (part.endsWith('norm') ? { add: -1 } : {}),
});
