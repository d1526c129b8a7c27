import { expect, test } from 'vitest';
import type { DecoderLinear } from '../decoder-linears.ts';
import { parseTargetModules, selectTargets, targetModulesForPeft } from './target-modules.ts';

const linears: DecoderLinear[] = [0, 1].flatMap((layer) =>
  ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.up_proj'].map((name) => ({
    module: `model.layers.${layer}.${name}`,
    layer,
    name,
    inFeatures: 4,
    outFeatures: 4,
    inputGroup: '',
    transposed: false,
    routed: false,
  })),
);
const chosen = (target: string | string[]) => selectTargets(linears, target).map(({ module }) => module);

test('a name chooses the linears that end in it, whole components only', () => {
  expect(chosen(['q_proj'])).toEqual(['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj']);
  expect(chosen(['model.layers.1.mlp.up_proj'])).toEqual(['model.layers.1.mlp.up_proj']);
  expect(() => chosen(['proj'])).toThrow(expect.objectContaining({ reason: 'TARGET_MATCHES_NOTHING' }));
});

test('a regular expression must match the whole name', () => {
  expect(chosen('.*\\.1\\..*_proj')).toHaveLength(3);
  expect(() => chosen('q_proj')).toThrow(expect.objectContaining({ field: 'target_modules' }));
  expect(() => chosen('(')).toThrow(expect.objectContaining({ reason: 'BAD_PATTERN' }));
});

test('all-linear is every linear of the layers, and each name in a list must match', () => {
  expect(chosen('all-linear')).toHaveLength(6);
  expect(() => chosen(['q_proj', 'lm_head'])).toThrow(
    expect.objectContaining({ value: 'lm_head', mend: expect.stringContaining('q_proj, v_proj, up_proj') }),
  );
});

test('a line from the command line is names, all-linear or a pattern', () => {
  expect(parseTargetModules('q_proj, v_proj')).toEqual(['q_proj', 'v_proj']);
  expect(parseTargetModules('q_proj')).toEqual(['q_proj']);
  expect(parseTargetModules('all-linear')).toBe('all-linear');
  expect(parseTargetModules('.*\\.(q|v)_proj')).toBe('.*\\.(q|v)_proj');
});

test('PEFT is told names or the pattern', () => {
  expect(targetModulesForPeft(linears, 'all-linear')).toEqual(['q_proj', 'up_proj', 'v_proj']);
  expect(targetModulesForPeft(linears, ['v_proj', 'q_proj'])).toEqual(['q_proj', 'v_proj']);
  expect(targetModulesForPeft(linears, '.*q_proj')).toBe('.*q_proj');
});
