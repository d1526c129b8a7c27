/** `target_modules` on every architecture's fixture: all of its linears, and names that only another architecture has. */
import { openModel } from '@emloc/models';
import { describe, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { goldenFixtures, GoldenFixture } from '../testing/fixture.ts';
import { parseTargetModules, selectTargets, targetModulesForPeft } from './target-modules.ts';

const attention = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];
const mlp = ['gate_proj', 'up_proj', 'down_proj'];
const usual = {
  has: [...attention, ...mlp],
  foreign: ['qkv_proj', 'c_attn', 'gate_up_proj', 'query_key_value'],
};

/** Names as PEFT takes them, in order of use, and some that other architectures have. */
const names: Readonly<
  Record<string, { readonly has: readonly string[]; readonly foreign: readonly string[] }>
> = {
  'tiny-llama': usual,
  'tiny-qwen2': usual,
  'tiny-qwen3': usual,
  'tiny-mistral': usual,
  'tiny-gemma3': usual,
  'tiny-qwen3-moe': { ...usual, foreign: ['w1', 'gate_up_proj', 'c_proj', 'mlp.gate'] },
  'tiny-mixtral': { has: [...attention, 'w1', 'w3', 'w2'], foreign: [...mlp, 'block_sparse_moe.gate'] },
  'tiny-phi3': {
    has: ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj'],
    foreign: ['q_proj', 'k_proj', 'v_proj', 'gate_proj', 'c_attn'],
  },
  'tiny-gpt2': {
    has: ['c_attn', 'c_proj', 'c_fc'],
    foreign: ['q_proj', 'o_proj', 'down_proj', 'c_proj2', 'wte', 'ln_1'],
  },
};

test('every architecture is here', () => {
  expect(Object.keys(names).sort()).toEqual([...goldenFixtures].sort());
});

describe.each(Object.entries(names))('%s', (fixture, { has, foreign }) => {
  const linears = decoderLinears(openModel(new GoldenFixture(fixture).dir));
  const select = (typed: string) => selectTargets(linears, parseTargetModules(typed));

  test('all-linear is every linear of its layers, and PEFT is told their names', () => {
    for (const typed of ['all-linear', 'ALL-LINEAR']) {
      const chosen = select(typed);
      expect(chosen).toEqual(linears);
      expect(targetModulesForPeft(chosen, parseTargetModules(typed))).toEqual([...has].sort());
    }
    expect(select(has.join(','))).toEqual(linears);
    // The output matrix, the embedding and a mixture's router are none of them.
    expect(linears.filter(({ name }) => /head|embed|wte|router|\bgate$/.test(name))).toEqual([]);
  });

  test.each(foreign)('%s is another architecture’s, alone and beside a name that is here', (name) => {
    const refused = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      reason: 'TARGET_MATCHES_NOTHING',
      field: 'target_modules',
      value: name,
      mend: `this model has ${has.join(', ')}; or use all-linear`,
    });
    expect(() => select(name)).toThrow(refused);
    expect(() => select(`${has[0]},${name}`)).toThrow(refused);
  });
});
