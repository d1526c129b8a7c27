import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

test.each([
  ['qestion', ['answer', 'question'], ['question']],
  ['mian', ['main', 'v1.0'], ['main']],
  ['Prompt', ['prompt', 'prompts', 'completion'], ['prompt', 'prompts']],
  [
    'SmolLM2-135m-Instrct',
    ['SmolLM2-360M-Instruct', 'SmolLM2-135M-Instruct'],
    ['SmolLM2-135M-Instruct', 'SmolLM2-360M-Instruct'],
  ],
  ['org/smolm2', ['org/smollm2', 'org/smol', 'org/something-else-entirely'], ['org/smollm2', 'org/smol']],
  ['text', ['completion', 'prompt'], []],
  ['q', ['a', 'ab'], ['a']],
  ['x', [], []],
])('%s among %j may be %j', (typed, names, expected) => {
  expect(nearest(typed, names)).toEqual(expected);
});
