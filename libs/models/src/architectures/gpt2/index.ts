/** GPT-2: learned positions, layer norms, one linear for queries, keys and values, weights stored as in × out. */
import { add, tensor, tidy, type Tensor } from '@emloc/engine';
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { layerNormOf } from '../../layers/layer-norm.ts';
import type { Architecture, AttentionKind, NamedTensors } from '../../types.ts';
import {
  FINAL_NORM,
  gpt2Linears,
  gpt2Tensors,
  moduleName,
  parseGpt2Config,
  POSITIONS,
  tensorNames,
  type Gpt2Config,
} from './config.ts';
import { layer } from './layer.ts';

export const gpt2: Architecture<Gpt2Config> = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  parseConfig: parseGpt2Config,
  linears: gpt2Linears,
  expectedTensors: gpt2Tensors,
  namePrefix: 'transformer.',
  moduleName,
  tensorNames,
  attentionKinds: (config) =>
    Array.from({ length: config.scaleByLayer ? config.numLayers : 1 }, (_, i): AttentionKind => {
      const scale = config.scaleScores ? 1 / Math.sqrt(config.headDim) : 1;
      return { scale: config.scaleByLayer ? scale / (i + 1) : scale };
    }),
  attentionKindOf: ({ scaleByLayer }, layer) => (scaleByLayer ? layer : 0),
  embed: (weights, ids, positions, dtype, config) =>
    tidy(() =>
      add(
        embedRows(weights.stored(tensorNames.embedding), ids, dtype),
        positionRows(weights, positions, dtype, config),
      ),
    ),
  ...layer,
  ...finalNormOf(layerNormOf<Gpt2Config>(FINAL_NORM)),
};

/** [N, D]. Rows are never longer than the table, but what they are padded with may be: it is seen by nothing. */
const positionRows = (
  weights: NamedTensors,
  positions: Int32Array,
  dtype: 'f32' | 'f64',
  { maxPositionEmbeddings }: Gpt2Config,
): Tensor => {
  const last = maxPositionEmbeddings - 1;
  const known = positions.map((position) => Math.min(position, last));
  return embedRows(weights.stored(POSITIONS), tensor(known, [known.length], 'i32'), dtype);
};
