/** Grams add: shards of a calibration set, calibrated apart, are summed layer by layer where they are consumed. */
import { add, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { disposeGrams, type GramLayers, type LayerGrams } from './layer-grams.ts';

/** Pulls all shards in step and yields their sum. Every shard must come from the same model. */
export async function* sumGramLayers(shards: readonly GramLayers[]): AsyncGenerator<LayerGrams, void, void> {
  const iterators = shards.map((shard) => shard[Symbol.asyncIterator]());
  try {
    for (;;) {
      const results = await Promise.all(iterators.map((iterator) => iterator.next()));
      const layers = results.flatMap((result) => (result.done === true ? [] : [result.value]));
      const first = layers[0];
      if (first === undefined) return;
      const layer = first.layer;
      if (layers.length < shards.length || layers.some((other) => other.layer !== layer)) {
        throw new EmlocError(
          'FAILED_PRECONDITION',
          'SHARDS_DIFFER',
          'the shards do not have the same layers',
          {
            field: 'statistics',
            mend: 'calibrate every shard with the same model',
          },
        );
      }
      const grams = new Map([...first.grams].map(([group]) => [group, sumOf(group, layers)]));
      try {
        yield { layer, grams, gramOf: first.gramOf, rows: rowsOf(layers) };
      } finally {
        disposeGrams(grams);
      }
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.(undefined);
  }
}

/** Of those Grams whose rows every shard tells. */
function rowsOf(layers: readonly LayerGrams[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const key of layers[0]?.rows.keys() ?? []) {
    const counts = layers.map((layer) => layer.rows.get(key));
    if (counts.every((count) => count !== undefined))
      rows.set(
        key,
        counts.reduce((a, b) => a + b, 0),
      );
  }
  return rows;
}

function sumOf(group: string, layers: readonly LayerGrams[]): Tensor {
  const parts = layers.map(({ grams }) => grams.get(group));
  if (parts.some((part) => part === undefined)) {
    throw new EmlocError('FAILED_PRECONDITION', 'SHARDS_DIFFER', `a shard has no Gram matrix ${group}`, {
      field: 'statistics',
    });
  }
  const [first, ...rest] = parts as Tensor[];
  let sum = add(first as Tensor, 0);
  for (const part of rest) {
    const next = add(sum, part);
    sum.dispose();
    sum = next;
  }
  return sum;
}
