/**
 * The Llama architecture (also SmolLM, TinyLlama and others that llama.cpp files under it). llama.cpp rotates
 * neighbouring pairs, Hugging Face the two halves of a head, so its converter interleaves the rows of each head of the
 * query and key matrices; here they go back.
 */
import { damaged, unsupported } from '../errors.ts';
import type { GgufFile, GgufTensor } from '../read-gguf.ts';
import type { GgufArchitecture, TensorTarget } from './index.ts';
import { ropeScaling } from './rope-scaling.ts';

const outer: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

const inLayer: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

const ropeFactors = 'rope_freqs.weight';

interface Heads {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

export const llama: GgufArchitecture = { name: 'llama', config, target };

function config(file: GgufFile, fileName: string): Record<string, unknown> {
  const { metadata, tensors } = file;
  const { heads, keyValueHeads, headDim } = headsOf(file);
  refuseVariants(file, fileName, headDim);
  const layers = metadata.count('llama.block_count');
  checkComplete(file, fileName, layers);
  const theta = shortest(metadata.optionalNumber('llama.rope.freq_base') ?? 10_000);
  const scaling = ropeScaling(file, fileName, ropeFactors, theta, headDim);
  const embedding = tensors.get('token_embd.weight')!;
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: metadata.count('llama.embedding_length'),
    intermediate_size: metadata.count('llama.feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    vocab_size: embedding.shape[0],
    max_position_embeddings: metadata.count('llama.context_length'),
    rms_norm_eps: shortest(metadata.number('llama.attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    rope_scaling: scaling ?? null,
    rope_parameters: { rope_type: 'default', ...scaling, rope_theta: theta },
    hidden_act: 'silu',
    attention_bias: tensors.has('blk.0.attn_q.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !tensors.has('output.weight'),
    initializer_range: 0.02,
    use_cache: true,
  };
}

function target(tensor: GgufTensor, file: GgufFile, fileName: string): TensorTarget | undefined {
  if (tensor.name === ropeFactors) return undefined;
  const { shape } = tensor;
  if (outer[tensor.name]) return { name: outer[tensor.name]!, shape };
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
  const module = part === undefined ? undefined : inLayer[part];
  if (!module) {
    const mend = 'only plain Llama models are imported';
    throw unsupported(
      fileName,
      `holds ${tensor.name}, which no Llama model has`,
      tensor.name,
      tensor.name,
      mend,
    );
  }
  const name = `model.layers.${layer}.${module}.${kind}`;
  if (part !== 'attn_q' && part !== 'attn_k') return { name, shape };
  const { heads, keyValueHeads, headDim } = headsOf(file);
  const rows = (part === 'attn_q' ? heads : keyValueHeads) * headDim;
  if (shape[0] !== rows) {
    throw damaged(
      fileName,
      `has ${tensor.name} of ${shape[0]} rows, not ${rows}`,
      tensor.name,
      `${shape[0]}`,
    );
  }
  return { name, shape, groupRows: headDim, rowOf: (row) => interleavedRow(row, headDim) };
}

/** Row `row` of a head, first half then second half, lies at twice its place in the half, the second half between. */
const interleavedRow = (row: number, headDim: number): number => {
  const half = headDim / 2;
  return row < half ? 2 * row : 2 * (row - half) + 1;
};

function headsOf({ metadata }: GgufFile): Heads {
  const heads = metadata.count('llama.attention.head_count');
  return {
    heads,
    keyValueHeads: metadata.optionalCount('llama.attention.head_count_kv') ?? heads,
    headDim:
      metadata.optionalCount('llama.attention.key_length') ??
      Math.floor(metadata.count('llama.embedding_length') / heads),
  };
}

function refuseVariants({ metadata }: GgufFile, fileName: string, headDim: number): void {
  const experts = metadata.optionalCount('llama.expert_count') ?? 0;
  if (experts > 0) {
    throw unsupported(
      fileName,
      `is a mixture of ${experts} experts`,
      'llama.expert_count',
      `${experts}`,
      'use a dense model',
    );
  }
  const rotated = metadata.optionalCount('llama.rope.dimension_count') ?? headDim;
  if (rotated !== headDim || headDim % 2 !== 0) {
    const problem = `rotates ${rotated} of ${headDim} numbers of a head`;
    throw unsupported(
      fileName,
      problem,
      'llama.rope.dimension_count',
      `${rotated}`,
      'use a model that rotates all of a head',
    );
  }
}

function checkComplete({ tensors }: GgufFile, fileName: string, layers: number): void {
  const expected = ['token_embd.weight', 'output_norm.weight'];
  for (let layer = 0; layer < layers; layer++) {
    for (const part of Object.keys(inLayer)) expected.push(`blk.${layer}.${part}.weight`);
  }
  const missing = expected.find((name) => !tensors.has(name));
  if (missing) throw damaged(fileName, `lacks the tensor ${missing}`, missing);
}

/** GGUF keeps float32, config.json decimals: 1e-5, not 9.999999747378752e-6. */
export function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === Math.fround(value)) return decimal;
  }
  return value;
}
