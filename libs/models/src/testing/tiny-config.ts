import { keep, type Tensor } from '@emloc/engine';
import type { LlamaConfig } from '../architectures/llama/config.ts';
import { architectureOf } from '../architectures/index.ts';
import { llama } from '../architectures/llama/index.ts';
import type { LayerWeights, LinearWeights, ModelOf } from '../types.ts';
import { random } from './fixture.ts';

/** config.json of a Llama with 4 heads of 8, 2 key-value heads, and whatever is changed. */
export const tinyConfigJson = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  model_type: 'llama',
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  vocab_size: 50,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  torch_dtype: 'float32',
  ...changes,
});

export const tinyConfig = (changes: Record<string, unknown> = {}): LlamaConfig =>
  llama.parseConfig(tinyConfigJson(changes));

/** The same with its architecture. */
export const tinyModel = (changes: Record<string, unknown> = {}): ModelOf => ({
  architecture: llama,
  config: tinyConfig(changes),
});

/** Such a model of another architecture. */
export const tinyModelOf = (modelType: string, changes: Record<string, unknown> = {}): ModelOf => {
  const architecture = architectureOf(modelType);
  const json = tinyConfigJson({ model_type: modelType, ...changes });
  return { architecture, config: architecture.parseConfig(json) };
};

/** A layer's weights, drawn at random, in float64; some linears factored where asked. */
export const randomLayer = (
  { architecture, config }: ModelOf,
  factored: readonly string[] = [],
  layer = 0,
): LayerWeights & { dispose(): void } => {
  const all: Tensor[] = [];
  let seed = 100;
  const own = (shape: readonly number[]): Tensor => {
    const t = keep(random(shape, seed++));
    all.push(t);
    return t;
  };
  const shapes = new Map(architecture.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  const linears = new Map<string, LinearWeights>();
  for (const { name, inFeatures, outFeatures, bias, transposed } of architecture.linears(config, layer)) {
    const more = bias ? { bias: own([outFeatures]) } : {};
    const shape = shapes.get(`${architecture.moduleName(layer, name)}.weight`)!;
    linears.set(
      name,
      factored.includes(name)
        ? { kind: 'factored', u: own([outFeatures, 3]), v: own([3, inFeatures]), ...more }
        : { kind: 'full', weight: own(shape), transposed: transposed ?? false, ...more },
    );
  }
  const small = new Map<string, Tensor>();
  return {
    linear: (name) => linears.get(name)!,
    tensor: (name) => {
      let tensor = small.get(name);
      if (tensor === undefined)
        small.set(name, (tensor = own(shapes.get(architecture.moduleName(layer, name))!)));
      return tensor;
    },
    matrixDtype: 'f64',
    stored: (name) => {
      throw new Error(`no file holds ${name}`);
    },
    derived: (_owner, _name, make) => make(),
    scoped: (use) => use(),
    dispose: () => all.forEach((t) => t.dispose()),
  };
};
