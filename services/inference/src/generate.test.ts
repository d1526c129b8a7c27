import { expect, test } from 'vitest';
import { promptBatches } from './generate.ts';

const prompts = [0, undefined, 1, 0].map((adapter) => ({ content: { text: 'x' }, adapter }));
const on = (module: string) => ({ modules: [{ module, a: '', b: '' }] });

test('all prompts go together, but one adapter after the other where one is on experts', () => {
  const plain = on('model.layers.0.self_attn.q_proj');
  const experts = on('model.layers.0.mlp.experts.3.up_proj');
  const routed = new Set(['model.layers.0.mlp.experts.3.up_proj']);
  expect(promptBatches(prompts, [plain, plain], routed)).toEqual([[0, 1, 2, 3]]);
  expect(promptBatches(prompts, [plain, experts], routed)).toEqual([[0, 3], [1], [2]]);
});
