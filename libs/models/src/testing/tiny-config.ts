import { keep, type Tensor } from '@emloc/engine';
import { llama } from '../architectures/llama/index.ts';
import type { LayerWeights, LinearWeights, ModelConfig } from '../types.ts';
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

export const tinyConfig = (changes: Record<string, unknown> = {}): ModelConfig =>
  llama.parseConfig(tinyConfigJson(changes));

/** A layer's weights, drawn at random, in float64; some linears factored where asked. */
export const randomLayer = (
  config: ModelConfig,
  factored: readonly string[] = [],
): LayerWeights & { dispose(): void } => {
  const all: Tensor[] = [];
  let seed = 100;
  const own = (shape: readonly number[]): Tensor => {
    const t = keep(random(shape, seed++));
    all.push(t);
    return t;
  };
  const linears = new Map<string, LinearWeights>();
  for (const { name, inFeatures, outFeatures, bias } of llama.linears(config)) {
    const more = bias ? { bias: own([outFeatures]) } : {};
    linears.set(
      name,
      factored.includes(name)
        ? { kind: 'factored', u: own([outFeatures, 3]), v: own([3, inFeatures]), ...more }
        : { kind: 'full', weight: own([outFeatures, inFeatures]), ...more },
    );
  }
  const norms = new Map<string, Tensor>();
  return {
    linear: (name) => linears.get(name)!,
    tensor: (name) => {
      let norm = norms.get(name);
      if (norm === undefined) norms.set(name, (norm = own([config.hiddenSize])));
      return norm;
    },
    matrixDtype: 'f64',
    stored: (name) => {
      throw new Error(`no file holds ${name}`);
    },
    derived: (_owner, _name, make) => make(),
    dispose: () => all.forEach((t) => t.dispose()),
  };
};
