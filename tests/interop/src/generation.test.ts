/** Greedy decoding gives the tokens that transformers' generate gives, in float32, on a real model. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { writeLines, Workplace } from '@emloc/e2e';
import { afterAll, describe, expect, test } from 'vitest';
import { python, withoutPython } from './python.ts';

const name = python === undefined ? `transformers (skipped: ${withoutPython})` : 'transformers';
const script = fileURLToPath(new URL('./generate.py', import.meta.url));
const maxNewTokens = 64;

const prompts = [
  'The capital of France is',
  'Once upon a time, there was a little girl who',
  'def fibonacci(n):\n    """Return the n-th number."""\n',
  'Water boils at',
  'The three primary colours are',
  'To make a good cup of tea,',
  'In 1969, the first people',
  'List five animals:\n1.',
  'Q: What is 12 times 12?\nA:',
  'La capitale de l’Italie est',
  '<|im_start|>user\nName a planet.<|im_end|>\n<|im_start|>assistant\n',
  'import numpy as np\n\nx = np.',
  'Dear Sir or Madam,\n\nI am writing',
  'The mitochondria is',
  'SELECT name, age FROM users WHERE',
  'Photosynthesis is the process by which',
  '{"name": "Ada", "born": 1815, "known_for":',
  'Der schnelle braune Fuchs',
  'It was a dark and stormy night;',
  'The recipe calls for two cups of flour, one cup of sugar, and',
];

describe.skipIf(python === undefined)(name, () => {
  const work = new Workplace();
  afterAll(() => work.dispose());

  test(`20 prompts of SmolLM2-135M go on with the same ${maxNewTokens} tokens`, async () => {
    const { path: model } = await work.json<{ path: string }>('models', 'pull', 'smollm2-135m');
    writeLines(
      work.path('prompts.jsonl'),
      prompts.map((prompt) => ({ prompt })),
    );
    const ours = await work.succeed(
      ...['generate', '--model', model, '--prompts', work.path('prompts.jsonl'), '--json'],
      ...['--precision', 'f32', '--max-new-tokens', String(maxNewTokens)],
    );
    const made = ours.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { prompt: string; ids: number[] });
    const { status, stdout, stderr } = spawnSync(python!, [script], {
      input: JSON.stringify({ model, prompts, maxNewTokens }),
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    const theirs = JSON.parse(stdout.trim().split('\n').at(-1)!) as { ids: number[][] };
    expect(made.map(({ prompt }) => prompt)).toEqual(prompts);
    expect(made.map(({ ids }) => ids)).toEqual(theirs.ids);
  }, 1_200_000);
});
