import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { uniformAt } from './random.ts';
import { checkSampling, logProbability, nextToken, processScores, type SamplingOptions } from './sampler.ts';

interface Case {
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly ids: number[];
  readonly logits: number[];
  readonly probabilities: number[];
  readonly log_probabilities: number[];
}

/** Made by transformers: tests/reference/make_sampling.py. */
const cases = JSON.parse(
  readFileSync(new URL('../../../../tests/fixtures/sampling/sampling.json', import.meta.url), 'utf8'),
) as Case[];

const optionsOf = ({ options: o }: Case): SamplingOptions => ({
  doSample: o['do_sample'] as boolean,
  temperature: o['temperature'] as number | undefined,
  topK: o['top_k'] as number | undefined,
  topP: o['top_p'] as number | undefined,
  minP: o['min_p'] as number | undefined,
  repetitionPenalty: o['repetition_penalty'] as number | undefined,
});

const softmax = (scores: Float32Array): number[] => {
  const top = Math.max(...scores);
  const sum = scores.reduce((total, score) => total + Math.exp(score - top), 0);
  return Array.from(scores, (score) => Math.exp(score - top) / sum);
};

test.each(cases.map((one) => [JSON.stringify(one.options), one] as const))(
  'probabilities are those of transformers: %s',
  (_, one) => {
    const logits = Float32Array.from(one.logits);
    const found = softmax(processScores(logits, one.ids, optionsOf(one)));
    found.forEach((p, id) => {
      expect(p === 0).toBe(one.probabilities[id] === 0);
      expect(p).toBeCloseTo(one.probabilities[id]!, 6);
    });
    one.log_probabilities.forEach((p, id) => expect(logProbability(logits, id)).toBeCloseTo(p, 5));
  },
);

describe('drawing', () => {
  const one = cases.find(({ options }) => options['min_p'] === 0.15)!;
  const logits = Float32Array.from(one.logits);
  const draw = (seed: number, stream: number, position: number): number =>
    nextToken(logits, one.ids, { ...optionsOf(one), seed }, { stream, position });

  test('follows the probabilities', () => {
    const draws = 40_000;
    const counts = new Float64Array(logits.length);
    for (let position = 0; position < draws; position++) counts[draw(7, 0, position)]! += 1;
    one.probabilities.forEach((p, id) => {
      if (p === 0) return expect(counts[id]).toBe(0);
      // Five standard deviations of a binomial share.
      expect(Math.abs(counts[id]! / draws - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws));
    });
  });

  test('is a function of seed, prompt and position', () => {
    const series = (seed: number, stream: number): number[] =>
      Array.from({ length: 50 }, (_, position) => draw(seed, stream, position));
    expect(series(3, 1)).toEqual(series(3, 1));
    expect(series(3, 1)).not.toEqual(series(4, 1));
    expect(series(3, 1)).not.toEqual(series(3, 2));
  });

  test('takes the most likely token, the first of equal ones, where nothing is drawn', () => {
    expect(nextToken(Float32Array.of(1, 3, 3, 2), [], {}, { stream: 0, position: 0 })).toBe(1);
    expect(nextToken(logits, [], { temperature: 0.1 }, { stream: 0, position: 0 })).toBe(
      one.logits.indexOf(Math.max(...one.logits)),
    );
  });
});

test('uniform numbers are in [0, 1), even, and differ in each part, above 32 bits too', () => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => uniformAt(1, 2, i));
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  const counts = new Array<number>(20).fill(0);
  for (const x of numbers) counts[Math.floor(20 * x)]! += 1;
  counts.forEach((count) => expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(950)));
  expect(new Set([uniformAt(1), uniformAt(2 ** 32 + 1), uniformAt(1, 0), uniformAt(0, 1)]).size).toBe(4);
});

test.each<[SamplingOptions, string]>([
  [{ temperature: 0 }, 'temperature'],
  [{ temperature: -1 }, 'temperature'],
  [{ temperature: NaN }, 'temperature'],
  [{ topK: -1 }, 'top_k'],
  [{ topK: 1.5 }, 'top_k'],
  [{ topP: 0 }, 'top_p'],
  [{ topP: 1.1 }, 'top_p'],
  [{ minP: 2 }, 'min_p'],
  [{ repetitionPenalty: 0 }, 'repetition_penalty'],
])('%o is refused by name', (options, field) => {
  expect(() => checkSampling(options)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field, mend: expect.any(String) }),
  );
});

test.each([
  [NaN, 1],
  [1, Infinity],
  [-Infinity, -Infinity],
])('logits that are not finite are an error, not a token: %d, %d', (a, b) => {
  expect(() => nextToken(Float32Array.of(a, b), [], {}, { stream: 0, position: 0 })).toThrow(
    expect.objectContaining({ reason: 'NOT_FINITE' }),
  );
});
