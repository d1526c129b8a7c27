/** Names of tensors as Llama has them and most architectures since: `model.layers.3.self_attn.q_proj.weight`. */
import type { Architecture, LinearSpec, ModelConfig, TensorSpec } from '../types.ts';

export const tensorNames = {
  embedding: 'model.embed_tokens.weight',
  head: 'lm_head.weight',
} as const;

export const FINAL_NORM = 'model.norm.weight';

export const moduleName = (layer: number, linear: string): string => `model.layers.${layer}.${linear}`;

export const decoderNames: Pick<Architecture, 'namePrefix' | 'moduleName' | 'tensorNames'> = {
  namePrefix: 'model.',
  moduleName,
  tensorNames,
};

/** A linear of its own input, or of a group that shares the first one's. */
export const linearSpec = (
  name: string,
  inFeatures: number,
  outFeatures: number,
  bias: boolean,
  inputGroup = name,
): LinearSpec => ({ name, inFeatures, outFeatures, bias, inputGroup });

/** q, k, v over one input, then o. */
export const attentionLinears = (
  c: ModelConfig,
  bias: { readonly qkv: boolean; readonly o: boolean },
): readonly LinearSpec[] => {
  const queries = c.numHeads * c.headDim;
  const keys = c.numKeyValueHeads * c.headDim;
  return [
    linearSpec('self_attn.q_proj', c.hiddenSize, queries, bias.qkv, 'self_attn.q_proj'),
    linearSpec('self_attn.k_proj', c.hiddenSize, keys, bias.qkv, 'self_attn.q_proj'),
    linearSpec('self_attn.v_proj', c.hiddenSize, keys, bias.qkv, 'self_attn.q_proj'),
    linearSpec('self_attn.o_proj', queries, c.hiddenSize, bias.o),
  ];
};

/** gate and up over one input, then down. */
export const mlpLinears = (hidden: number, inner: number, bias = false): readonly LinearSpec[] => [
  linearSpec('mlp.gate_proj', hidden, inner, bias, 'mlp.gate_proj'),
  linearSpec('mlp.up_proj', hidden, inner, bias, 'mlp.gate_proj'),
  linearSpec('mlp.down_proj', inner, hidden, bias),
];

/** The embedding, every layer's small tensors and linears, the final norm, and the head where it is not tied. */
export const decoderTensors = (
  c: ModelConfig,
  linearsOf: (layer: number) => readonly LinearSpec[],
  /** Inside a layer. */
  small: readonly TensorSpec[],
): readonly TensorSpec[] => {
  const specs: TensorSpec[] = [{ name: tensorNames.embedding, shape: [c.vocabSize, c.hiddenSize] }];
  for (let layer = 0; layer < c.numLayers; layer++) {
    for (const { name, shape } of small) specs.push({ name: moduleName(layer, name), shape });
    for (const { name, inFeatures, outFeatures, bias } of linearsOf(layer)) {
      specs.push({ name: `${moduleName(layer, name)}.weight`, shape: [outFeatures, inFeatures] });
      if (bias) specs.push({ name: `${moduleName(layer, name)}.bias`, shape: [outFeatures] });
    }
  }
  specs.push({ name: FINAL_NORM, shape: [c.hiddenSize] });
  if (!c.tieWordEmbeddings) specs.push({ name: tensorNames.head, shape: [c.vocabSize, c.hiddenSize] });
  return specs;
};
