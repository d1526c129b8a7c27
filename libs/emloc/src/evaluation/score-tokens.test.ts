import { liveTensors, startEngine } from '@emloc/engine';
import { forwardPass, lossPass, openModel, openWeights, plainLinears, prepareBatch } from '@emloc/models';
import { beforeAll, expect, test } from 'vitest';
import { tinyLlama } from '../testing/fixture.ts';
import { scoreTokens } from './score-tokens.ts';

beforeAll(() => startEngine());

const beginning = Array.from({ length: 12 }, (_, i) => 3 + ((11 * i) % 90));
/** Some begin alike, some do not, one has a single token; not in the order of their lengths. */
const rows: readonly (readonly number[])[] = [
  [...beginning, 5, 6, 7, 8],
  [9],
  [...beginning, 40],
  [8, 30, 2],
  ...Array.from({ length: 24 }, (_, i) => [
    ...beginning,
    ...Array.from({ length: 30 - i }, (_x, k) => (i * k) % 200),
  ]),
];

// One row a wave; some; all, which are more than one micro-batch.
test.each([1, 20_000, 2 ** 25])(
  'rows score as they do alone, in their order (%i bytes)',
  async (stateBytes) => {
    const before = liveTensors().count;
    const source = openWeights(openModel(tinyLlama), { mode: 'streamed', computeDtype: 'f64' });
    expect(rows.reduce((sum, ids) => sum + ids.length, 0)).toBeGreaterThan(512);
    let layers = 0;
    const scores: Float64Array[] = [];
    const options = { stateBytes, afterLayer: () => void layers++ };
    for await (const score of scoreTokens(source, (_, w) => plainLinears(w), rows, options))
      scores.push(score);
    expect(scores.map(({ length }) => length)).toEqual(rows.map(({ length }) => length - 1));
    if (stateBytes === 1) expect(layers).toBe(rows.length * source.config.numLayers);
    if (stateBytes === 2 ** 25) expect(layers).toBe(source.config.numLayers);
    for (const [i, ids] of rows.entries()) {
      const batch = prepareBatch(source, [{ inputIds: ids, labels: ids }], 'f64');
      const forward = await forwardPass(source, [batch], (_, w) => plainLinears(w));
      const alone = lossPass(source, [batch], forward.hidden).micro[0]?.logProbs ?? [];
      scores[i]?.forEach((logProb, t) => expect(logProb).toBeCloseTo(alone[t] ?? NaN, 11));
      forward.dispose();
      batch.dispose();
    }
    source.close();
    expect(liveTensors().count).toBe(before);
  },
);
