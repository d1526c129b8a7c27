/** What the decoder models have in common in GGUF: the keys of their sizes, the names of their tensors, what has to be there. */
import { damaged, unsupported } from '../errors.ts';
import type { GgufFile, GgufTensor } from '../read-gguf.ts';
import type { GgufArchitecture, TensorTarget } from './index.ts';
import { ropeScaling, type RopeScalingConfig } from './rope-scaling.ts';

export interface DecoderFamily {
  /** `general.architecture`, and the prefix of its metadata. */
  readonly name: string;
  readonly className: string;
  readonly modelType: string;
  /** GGUF's names inside a layer that all such models have, to Hugging Face's. */
  readonly parts: Readonly<Record<string, string>>;
  /** What its config.json has besides the sizes. */
  config(file: GgufFile, sizes: DecoderSizes): Record<string, unknown>;
  /** How a tensor is stored otherwise than in the checkpoint. */
  stored?(part: string, sizes: DecoderSizes): Partial<TensorTarget>;
}

export interface DecoderSizes {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly theta: number;
  readonly scaling: RopeScalingConfig | undefined;
}

/** Of Llama, and of most since. */
export const commonParts: Readonly<Record<string, string>> = {
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

const outer: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

const ropeFactors = 'rope_freqs.weight';

export function decoder(family: DecoderFamily): GgufArchitecture {
  return {
    name: family.name,
    config: (file, fileName) => config(family, file, fileName),
    target: (tensor, file, fileName) => target(family, tensor, file, fileName),
  };
}

function config(family: DecoderFamily, file: GgufFile, fileName: string): Record<string, unknown> {
  const { metadata, tensors } = file;
  const key = (name: string): string => `${family.name}.${name}`;
  const sizes = sizesOf(family, file, fileName);
  const { hidden, layers, heads, keyValueHeads, headDim, theta, scaling } = sizes;
  refuseVariants(family, file, fileName, headDim);
  checkComplete(family, file, fileName, layers);
  return {
    architectures: [family.className],
    model_type: family.modelType,
    hidden_size: hidden,
    intermediate_size: metadata.count(key('feed_forward_length')),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    vocab_size: tensors.get('token_embd.weight')!.shape[0],
    max_position_embeddings: metadata.count(key('context_length')),
    rms_norm_eps: shortest(metadata.number(key('attention.layer_norm_rms_epsilon'))),
    rope_theta: theta,
    rope_scaling: scaling ?? null,
    tie_word_embeddings: !tensors.has('output.weight'),
    initializer_range: 0.02,
    use_cache: true,
    ...family.config(file, sizes),
  };
}

function target(
  family: DecoderFamily,
  tensor: GgufTensor,
  file: GgufFile,
  fileName: string,
): TensorTarget | undefined {
  if (tensor.name === ropeFactors) return undefined;
  const { shape } = tensor;
  const sizes = sizesOf(family, file, fileName);
  const ofPart = (part: string): Partial<TensorTarget> => family.stored?.(part, sizes) ?? {};
  const whole = outer[tensor.name];
  if (whole !== undefined) return { name: whole, shape, ...ofPart(tensor.name.replace('.weight', '')) };
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
  const module = part === undefined ? undefined : family.parts[part];
  if (part === undefined || module === undefined) {
    const mend = `only plain models of the architecture ${family.name} are imported`;
    const problem = `holds ${tensor.name}, which no plain ${family.name} model has`;
    throw unsupported(fileName, problem, tensor.name, tensor.name, mend);
  }
  checkRows(tensor, part, sizes, fileName);
  return { name: `model.layers.${layer}.${module}.${kind}`, shape, ...ofPart(part) };
}

function checkRows(
  { name, shape }: GgufTensor,
  part: string,
  { heads, keyValueHeads, headDim }: DecoderSizes,
  fileName: string,
): void {
  const rows = { attn_q: heads, attn_k: keyValueHeads, attn_v: keyValueHeads }[part];
  if (rows === undefined || shape[0] === rows * headDim) return;
  throw damaged(fileName, `has ${name} of ${shape[0]} rows, not ${rows * headDim}`, name, `${shape[0]}`);
}

function sizesOf(family: DecoderFamily, file: GgufFile, fileName: string): DecoderSizes {
  const { metadata } = file;
  const key = (name: string): string => `${family.name}.${name}`;
  const heads = metadata.count(key('attention.head_count'));
  const hidden = metadata.count(key('embedding_length'));
  const headDim = metadata.optionalCount(key('attention.key_length')) ?? Math.floor(hidden / heads);
  const theta = shortest(metadata.optionalNumber(key('rope.freq_base')) ?? 10_000);
  return {
    hidden,
    layers: metadata.count(key('block_count')),
    heads,
    keyValueHeads: metadata.optionalCount(key('attention.head_count_kv')) ?? heads,
    headDim,
    theta,
    scaling: ropeScaling(file, fileName, family.name, ropeFactors, theta, headDim),
  };
}

function refuseVariants(
  { name }: DecoderFamily,
  { metadata }: GgufFile,
  fileName: string,
  headDim: number,
): void {
  const experts = metadata.optionalCount(`${name}.expert_count`) ?? 0;
  if (experts > 0) {
    const problem = `is a mixture of ${experts} experts`;
    throw unsupported(fileName, problem, `${name}.expert_count`, `${experts}`, 'use a dense model');
  }
  const key = `${name}.rope.dimension_count`;
  const rotated = metadata.optionalCount(key) ?? headDim;
  if (rotated !== headDim || headDim % 2 !== 0) {
    const problem = `rotates ${rotated} of ${headDim} numbers of a head`;
    throw unsupported(fileName, problem, key, `${rotated}`, 'use a model that rotates all of a head');
  }
}

function checkComplete(family: DecoderFamily, { tensors }: GgufFile, fileName: string, layers: number): void {
  const expected = ['token_embd.weight', 'output_norm.weight'];
  for (let layer = 0; layer < layers; layer++)
    for (const part of Object.keys(family.parts)) expected.push(`blk.${layer}.${part}.weight`);
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
