import { liveTensors, startEngine } from '@emloc/engine';
import { generate, openModel, openWeights, type GeneratedToken, type WeightSource } from '@emloc/models';
import { beforeAll, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { tinyLlama } from '../testing/fixture.ts';
import { LoraAdapter } from './lora-adapter.ts';
import { selectTargets } from './target-modules.ts';
import { variantLinears } from './variant-linears.ts';

beforeAll(() => startEngine());

const model = openModel(tinyLlama);

/** With factors that all do something. */
const adapter = (targets: string, r: number, loraAlpha: number, seed: number): LoraAdapter => {
  const settings = { r, loraAlpha, loraDropout: 0, targetModules: [targets] };
  const linears = selectTargets(decoderLinears(model), [targets]);
  const made = LoraAdapter.initialize(linears, settings, seed, 'f64');
  const values = made.values().map((x, i) => (x === 0 ? 0.1 * Math.sin(seed + 0.37 * i) : x));
  const { layout } = made;
  made.dispose();
  return LoraAdapter.fromValues(settings, layout, values, 'f64');
};

const run = async (source: WeightSource, adapters: (LoraAdapter | undefined)[], variants: number[]) => {
  const tokens: Pick<GeneratedToken, 'id' | 'logProbability'>[][] = variants.map(() => []);
  const prompts = variants.map((variant, i) => ({ ids: [4, 9, 2, 30 + i, 7], variant }));
  await generate(source, variantLinears(source, adapters), prompts, {
    maxNewTokens: 12,
    eosTokenIds: [],
    logProbabilities: true,
    onToken: ({ prompt, id, logProbability }) => void tokens[prompt]!.push({ id, logProbability }),
  });
  return tokens;
};

test('rows of different adapters, and of none, in one batch get what each gets alone', async () => {
  const source = openWeights(model, { mode: 'resident', computeDtype: 'f64' });
  const adapters = [
    undefined,
    adapter('q_proj', 3, 6, 1),
    adapter('down_proj', 5, 5, 2),
    adapter('q_proj', 2, 8, 3),
  ];
  const before = liveTensors();
  const variants = [2, 0, 1, 3, 1];
  const together = await run(source, adapters, variants);
  for (const [i, variant] of variants.entries()) {
    const prompt = { ids: [4, 9, 2, 30 + i, 7], variant };
    const alone: GeneratedToken[] = [];
    await generate(source, variantLinears(source, adapters), [prompt], {
      maxNewTokens: 12,
      eosTokenIds: [],
      logProbabilities: true,
      onToken: (token) => void alone.push(token),
    });
    expect(together[i]!.map(({ id }) => id)).toEqual(alone.map(({ id }) => id));
    together[i]!.forEach(({ logProbability }, t) =>
      expect(logProbability).toBeCloseTo(alone[t]!.logProbability!, 5),
    );
  }
  // The adapters matter: prompts differ in a token only, so compare what one prompt gets with each of them.
  const same = await Promise.all([0, 1, 2, 3].map((variant) => run(source, adapters, [variant])));
  const first = same.map(([tokens]) => tokens![0]!.logProbability);
  expect(new Set(first.map((p) => p!.toFixed(6))).size).toBe(4);
  expect(liveTensors().count).toBeLessThanOrEqual(before.count + 200);
  for (const each of adapters) each?.dispose();
  source.close();
});
