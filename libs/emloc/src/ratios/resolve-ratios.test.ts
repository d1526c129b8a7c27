import { expect, test } from 'vitest';
import type { DecoderLinear } from '../decoder-linears.ts';
import { rankOf, smallestRatio } from './rank.ts';
import { resolveRatios } from './resolve-ratios.ts';

const linear = (module: string, outFeatures: number, inFeatures: number): DecoderLinear => ({
  module,
  layer: 0,
  name: module,
  inFeatures,
  outFeatures,
  inputGroup: module,
  transposed: false,
  routed: false,
});
const q = 'model.layers.0.self_attn.q_proj';
const up = 'model.layers.0.mlp.up_proj';
const linears = [linear(q, 64, 64), linear(up, 160, 64)];

test('the two factors hold no more than the ratio of the parameters', () => {
  expect(rankOf(64, 64, 0.5)).toBe(16);
  expect(rankOf(160, 64, 0.5)).toBe(22);
  for (const [out, inner, ratio] of [
    [576, 1536, 0.37],
    [192, 576, 0.99],
    [4096, 14336, 0.25],
  ] as const) {
    expect(rankOf(out, inner, ratio) * (out + inner)).toBeLessThanOrEqual(out * inner * ratio);
  }
});

test('one ratio compresses every linear', () => {
  expect([...resolveRatios(linears, { ratio: 0.5 }).values()]).toEqual([
    { module: q, ratio: 0.5, rank: 16 },
    { module: up, ratio: 0.5, rank: 22 },
  ]);
});

test('the first pattern that matches the whole name wins, and ratio 1 leaves a linear full', () => {
  const resolved = resolveRatios(linears, {
    ratios: { 'model\\.layers\\.0\\.self_attn\\..*': 1, '.*_proj': 0.25 },
  });
  expect([...resolved.keys()]).toEqual([up]);
  expect(resolved.get(up)?.rank).toBe(rankOf(160, 64, 0.25));
  expect(resolveRatios(linears, { ratio: 1 }).size).toBe(0);
});

test('a pattern must match the whole name', () => {
  expect(() => resolveRatios(linears, { ratios: { q_proj: 0.5 } })).toThrow(
    expect.objectContaining({ reason: 'PATTERN_MATCHES_NOTHING', field: 'ratios[q_proj]' }),
  );
});

test.each([0, -0.5, 1.5, NaN])('ratio %s is refused', (ratio) => {
  expect(() => resolveRatios(linears, { ratio })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'RATIO_OUT_OF_RANGE', field: 'ratio' }),
  );
});

test('rank 0 is refused with the smallest ratio that works', () => {
  expect(() => resolveRatios(linears, { ratio: 0.01 })).toThrow(
    expect.objectContaining({ reason: 'RANK_ZERO', mend: expect.stringContaining('0.03125') }),
  );
  for (const [out, inner] of [
    [64, 64],
    [160, 64],
    [49152, 576],
    [3, 7],
  ] as const) {
    expect(rankOf(out, inner, smallestRatio(out, inner))).toBeGreaterThanOrEqual(1);
  }
});

test('a broken regular expression and an empty list are refused', () => {
  expect(() => resolveRatios(linears, { ratios: { '(': 0.5 } })).toThrow(
    expect.objectContaining({ reason: 'BAD_PATTERN', value: '(' }),
  );
  expect(() => resolveRatios(linears, { ratios: { 'a)(b': 0.5 } })).toThrow(
    expect.objectContaining({ reason: 'BAD_PATTERN' }),
  );
  expect(() => resolveRatios(linears, { ratios: {} })).toThrow(
    expect.objectContaining({ reason: 'NO_RATIOS' }),
  );
});
