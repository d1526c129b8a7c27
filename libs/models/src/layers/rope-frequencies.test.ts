/** Against numbers of transformers' formulas in float64 (tests/reference/make_rope.py). */
import { startEngine } from '@emloc/engine';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { prepareBatch } from '../batch.ts';
import { makeBatchContext } from '../batch-context.ts';
import { longestRow, ropeFields, ropeOf } from '../architectures/rope-config.ts';
import { maxRelative, values } from '../testing/fixture.ts';
import { tinyModel } from '../testing/tiny-config.ts';
import type { ModelOf, RopeConfig } from '../types.ts';
import { ropeFrequencies } from './rope-frequencies.ts';

interface Case {
  readonly name: string;
  readonly rope_parameters: Record<string, unknown>;
  readonly head_dim: number;
  readonly max_position_embeddings: number;
  readonly sequence_length: number | null;
  readonly inverse_frequencies: number[];
  readonly attention_factor: number;
  readonly positions: number[];
  readonly cos: number[][];
  readonly sin: number[][];
}

const file = fileURLToPath(new URL('../../../../tests/fixtures/rope/rope.json', import.meta.url));
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[];
const ropeOfCase = (it: Case): RopeConfig =>
  ropeOf(ropeFields.parse(it.rope_parameters), {
    headDim: it.head_dim,
    maxPositionEmbeddings: it.max_position_embeddings,
    theta: 10000,
    partialRotaryFactor: 1,
    originalMaxPositionEmbeddings: undefined,
    field: 'rope_parameters',
  });
/** A Llama with this rotary embedding. */
const withRope = (rope: RopeConfig, headDim = 8): ModelOf => {
  const model = tinyModel({ head_dim: headDim });
  const attentionKinds = () => [{ rope, scale: 1 }];
  return { ...model, architecture: { ...model.architecture, attentionKinds } };
};

beforeAll(() => startEngine());

test('every scaling there is has a case', () => {
  const types = new Set(cases.map((it) => it.rope_parameters['rope_type']));
  expect([...types].sort()).toEqual(['default', 'dynamic', 'linear', 'llama3', 'longrope', 'yarn']);
});

describe.each(cases.map((it) => [it.name, it] as const))('%s', (_, it) => {
  test('frequencies and attention factor are those of transformers', () => {
    const rope = ropeOfCase(it);
    const frequencies = ropeFrequencies(rope, it.sequence_length ?? 0);
    expect(frequencies.length).toBe(it.inverse_frequencies.length);
    it.inverse_frequencies.forEach((f, i) => expect(Math.abs(frequencies[i]! / f - 1)).toBeLessThan(1e-12));
    expect(rope.attentionFactor ?? 1).toBeCloseTo(it.attention_factor, 12);
  });

  test('so are the tables', () => {
    const rope = ropeOfCase(it);
    const positions = [...it.positions];
    const layout = {
      tokens: positions.length,
      positions,
      visible: () => true,
      ...(it.sequence_length === null ? {} : { length: it.sequence_length }),
    };
    const context = makeBatchContext(withRope(rope, it.head_dim), [layout], 'f64');
    const { cos, sin } = context.layer(0).keyRope.rotation!;
    const both = (rows: number[][]): number[] => rows.flatMap((row) => [...row, ...row]);
    expect(maxRelative(values(cos), both(it.cos))).toBeLessThan(1e-12);
    const signed = it.sin.flatMap((row) => [...row.map((x) => -x), ...row]);
    expect(maxRelative(values(sin), signed)).toBeLessThan(1e-12);
    context.dispose();
  });
});

describe('frequencies that go by the length of a sequence', () => {
  const longrope: RopeConfig = {
    theta: 10000,
    dims: 8,
    scaling: {
      type: 'longrope',
      shortFactor: [1, 1, 1, 1],
      longFactor: [2, 2, 2, 2],
      originalMaxPositionEmbeddings: 12,
    },
  };
  const tokens = (n: number, last = 3): number[] => [...Array<number>(n - 1).fill(5), last];

  test("are a row's own, whatever its neighbours and its padding", () => {
    const rows = [tokens(11), tokens(14)].map((inputIds) => ({ inputIds }));
    const model = withRope(longrope);
    const batch = prepareBatch(model, rows, 'f64', { padRows: true });
    const alone = rows.map((row) => prepareBatch(model, [row], 'f64'));
    const table = (b: typeof batch): Float64Array => values(b.context.layer(0).keyRope.rotation!.cos);
    expect([...table(batch).subarray(0, 11 * 8)]).toEqual([...table(alone[0]!)]);
    expect([...table(batch).subarray(16 * 8, (16 + 14) * 8)]).toEqual([...table(alone[1]!)]);
    for (const b of [batch, ...alone]) b.dispose();
  });

  test('let only rows that are turned alike share a prefix', () => {
    const prefixOf = (...lengths: number[]): number => {
      const rows = lengths.map((n, i) => ({ inputIds: tokens(n, 6 + i) }));
      const batch = prepareBatch(withRope(longrope), rows, 'f64', { sharePrefix: true });
      batch.dispose();
      return batch.prefix;
    };
    expect(prefixOf(10, 11)).toBe(9);
    expect(prefixOf(14, 15)).toBe(13);
    expect(prefixOf(11, 15)).toBe(0);
  });
});

test('scalings reach beyond what the model was trained on', () => {
  const of = (scaling: NonNullable<RopeConfig['scaling']>) =>
    longestRow(100, { theta: 10000, dims: 8, scaling });
  expect(of({ type: 'dynamic', factor: 2.5, maxPositionEmbeddings: 100 })).toBe(250);
  expect(
    of({
      type: 'yarn',
      factor: 4,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
      originalMaxPositionEmbeddings: 50,
    }),
  ).toBe(200);
  expect(longestRow(100, { theta: 10000, dims: 8 })).toBe(100);
});
