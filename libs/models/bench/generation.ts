/**
 * Tokens a second of greedy generation, the time of the first token, and processor time a step, without a service.
 *
 *   npx tsx libs/models/bench/generation.ts MODEL_DIR [--sequences 1] [--prompt-tokens 32] [--new-tokens 64]
 *     [--precision f32|bf16] [--mode resident|streamed] [--rounds 2]
 *
 * Prompts are parts of a fixed text's ids. The first round makes kernels and is not counted. tests/bench/hf_generate.py
 * does the same with transformers. EMLOC_THREADS=1 makes processor time comparable on a machine that is busy otherwise.
 * Prints one JSON object.
 */
import { readMemory, startEngine } from '@emloc/engine';
import { parseArgs } from 'node:util';
import { generate, openModel, openWeights, plainVariants } from '../src/index.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sequences: { type: 'string', default: '1' },
    'prompt-tokens': { type: 'string', default: '32' },
    'new-tokens': { type: 'string', default: '64' },
    precision: { type: 'string', default: 'f32' },
    mode: { type: 'string', default: 'resident' },
    rounds: { type: 'string', default: '2' },
  },
});
const n = (name: keyof typeof args): number => Number(args[name]);

await startEngine();
const model = openModel(positionals[0]!);
const source = openWeights(model, {
  mode: args.mode as 'resident' | 'streamed',
  computeDtype: args.precision as 'f32' | 'bf16',
  keepConverted: true,
});
const prompts = Array.from({ length: n('sequences') }, (_, row) => ({
  ids: Array.from({ length: n('prompt-tokens') }, (_, t) => 100 + ((7919 * (row + 1) * (t + 1)) % 20_000)),
}));

interface Round {
  readonly first: number;
  readonly rest: number;
  /** Processor seconds of the steps after the first token. */
  readonly cpu: number;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const round = async (): Promise<Round> => {
  const started = performance.now();
  let firstMs = 0;
  let cpuBefore = 0;
  await generate(source, plainVariants, prompts, {
    maxNewTokens: n('new-tokens'),
    eosTokenIds: [],
    onToken: () => {
      if (firstMs === 0) {
        firstMs = performance.now() - started;
        cpuBefore = cpuSeconds();
      }
      return undefined;
    },
  });
  return {
    first: firstMs / 1000,
    rest: (performance.now() - started - firstMs) / 1000,
    cpu: cpuSeconds() - cpuBefore,
  };
};

await round();
const rounds: Round[] = [];
for (let i = 0; i < n('rounds'); i++) rounds.push(await round());
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
const rest = median(rounds.map((each) => each.rest));
console.log(
  JSON.stringify({
    sequences: n('sequences'),
    secondsToFirst: median(rounds.map((each) => each.first)),
    tokensPerSecond: (n('sequences') * (n('new-tokens') - 1)) / rest,
    cpuSecondsPerStep: median(rounds.map((each) => each.cpu)) / (n('new-tokens') - 1),
    peakBytes: readMemory().peakRssBytes,
  }),
);
source.close();
process.exit(0);
