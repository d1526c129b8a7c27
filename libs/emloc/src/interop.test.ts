/**
 * Every architecture through every stage, in the golden fixtures' sizes and in odd ones: what is written is what
 * transformers and PEFT read, and they compute the same with it. Needs a Python with torch, transformers and peft
 * (EMLOC_PYTHON, else python3); without one the tests are shown as skipped.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEngine, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import {
  forwardPass,
  greedyContinue,
  logitsOf,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
  type WeightSource,
} from '@emloc/models';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  adapterLinears,
  calibrateLayers,
  compressModel,
  correctAdapter,
  decoderLinears,
  LoraAdapter,
  mergeModel,
  parseTrainingOptions,
  saveAdapter,
  train,
} from './index.ts';
import { GoldenFixture, goldenFixtures, maxRelative } from './testing/fixture.ts';

const python = process.env['EMLOC_PYTHON'] ?? 'python3';
const script = (name: string): string =>
  fileURLToPath(new URL(`../../../tests/reference/${name}`, import.meta.url));
const found = spawnSync(python, ['-c', 'import torch, transformers, peft']).status === 0;

/** The models of tests/reference/odd_models.py. */
const oddModels = [
  'llama-one-kv-head',
  'llama-five-heads',
  'mistral-one-kv-head',
  'qwen2-seven-heads',
  'qwen3-three-heads',
  'gemma3-five-heads',
  'phi3-three-kv-heads',
  'gpt2-three-heads',
  'qwen3-moe-every-layer',
  'qwen3-moe-every-second-layer',
  'mixtral-one-kv-head',
];
const cases = [...goldenFixtures, ...oddModels];

/** Of a model with experts in some layers and none in others, PEFT 0.21 passes over the latter's MLP: only its merged model counts. */
const passedOver = ['tiny-qwen3-moe', 'qwen3-moe-every-second-layer'];

interface Ours {
  readonly dir: string;
  readonly narrow: boolean;
  readonly losses: readonly number[];
  readonly base: Float64Array;
  readonly emulator: Float64Array;
  /** The original with the corrected adapter, which lies in `adapter`. */
  readonly adapted: Float64Array;
  readonly merged: Float64Array;
  readonly generated: readonly number[];
}
interface Theirs {
  readonly base: number[];
  readonly merged: number[];
  readonly adapter?: number[];
  readonly scale?: number[];
  readonly generated: number[];
}

async function logits(fixture: GoldenFixture, source: WeightSource, adapter?: LoraAdapter) {
  const batch = prepareBatch(source, [fixture.probe()]);
  const { hidden, dispose } = await forwardPass(source, [batch], adapterLinears(source, adapter));
  const made = source.withHead((head) =>
    tidy(() => toFloat64Array(logitsOf(source, hidden[0] as Tensor, head))),
  );
  dispose();
  batch.dispose();
  return made;
}

async function logitsOfDirectory(fixture: GoldenFixture, dir: string, adapter?: LoraAdapter) {
  const source = openWeights(openModel(dir), { mode: 'streamed', computeDtype: 'f32' });
  try {
    return await logits(fixture, source, adapter);
  } finally {
    source.close();
  }
}

/** Calibrated, compressed, trained, corrected, merged: what each of them computes. */
async function throughAllStages(fixture: GoldenFixture, work: string): Promise<Ours> {
  const model = openModel(fixture.dir);
  const emulator = join(work, 'emulator');
  const original = openWeights(model, { mode: 'streamed', computeDtype: 'f32' });
  const grams = calibrateLayers(original, fixture.calibrationRows());
  await compressModel({ model, grams, ratios: { ratio: 0.6 }, out: emulator });
  original.close();
  const settings = { r: 3, loraAlpha: 12, loraDropout: 0, targetModules: 'all-linear' };
  using adapter = LoraAdapter.initialize(decoderLinears(model), settings, 1);
  const source = openWeights(openModel(emulator), { mode: 'resident', computeDtype: 'f32' });
  const options = parseTrainingOptions({ max_steps: 5, learning_rate: 2e-2 });
  const { losses } = await train({ source, adapter, plan: fixture.plan(2), options });
  source.close();
  const [correction] = await correctAdapter({ original: model, emulator: openModel(emulator), adapter });
  using corrected = correction!.adapter;
  const history = { original: await model.digest(), correction: { method: 'paper', strength: 1 } };
  await saveAdapter(corrected, join(work, 'adapter'), { baseModel: fixture.dir, history });
  await mergeModel({ model, adapter: corrected, out: join(work, 'merged') });
  const merged = openWeights(openModel(join(work, 'merged')), { mode: 'resident', computeDtype: 'f32' });
  const prompt = fixture.probe().inputIds.slice(0, 5);
  const [generated] = await greedyContinue(merged, (_, w) => plainLinears(w), [prompt], {
    maxNewTokens: 12,
    eosTokenIds: [],
  });
  const mergedLogits = await logits(fixture, merged);
  merged.close();
  return {
    dir: fixture.dir,
    narrow: model.config.dtype !== 'f32',
    losses,
    base: await logitsOfDirectory(fixture, fixture.dir),
    emulator: await logitsOfDirectory(fixture, emulator),
    adapted: await logitsOfDirectory(fixture, fixture.dir, corrected),
    merged: mergedLogits,
    generated: generated!,
  };
}

const title = found
  ? 'PEFT and transformers'
  : 'PEFT and transformers (skipped without torch, transformers, peft)';
describe.skipIf(!found)(title, () => {
  const work = mkdtempSync(join(tmpdir(), 'emloc-interop-'));
  const ours = new Map<string, Ours>();
  const theirs = new Map<string, Theirs>();

  const runPython = <T>(name: string, args: readonly string[], input = ''): T => {
    const run = spawnSync(python, [script(name), ...args], { input, encoding: 'utf8', maxBuffer: 2 ** 30 });
    if (run.status !== 0) throw new Error(run.stderr);
    return JSON.parse(run.stdout) as T;
  };

  beforeAll(async () => {
    await startEngine();
    expect(runPython('odd_models.py', [join(work, 'odd')])).toEqual(oddModels);
    const asked = [];
    for (const name of cases) {
      const odd = oddModels.includes(name);
      const fixture = new GoldenFixture(odd ? join(work, 'odd', name) : name);
      const at = join(work, name);
      ours.set(name, await throughAllStages(fixture, at));
      const ids = fixture.probe().inputIds;
      const adapter = passedOver.includes(name) ? undefined : join(at, 'adapter');
      asked.push({ base: fixture.dir, ids, adapter, merged: join(at, 'merged'), prompt: ids.slice(0, 5) });
    }
    const answers = runPython<Theirs[]>('interop.py', [], JSON.stringify(asked));
    cases.forEach((name, i) => theirs.set(name, answers[i]!));
  }, 1_800_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test.each(cases)('%s', (name) => {
    const [our, their] = [ours.get(name)!, theirs.get(name)!];
    expect(maxRelative(our.base, their.base), 'the original').toBeLessThan(1e-5);
    expect(maxRelative(our.merged, their.merged), 'merged').toBeLessThan(1e-5);
    expect(our.generated, 'generated').toEqual(their.generated);
    // The adapter does something, and a checkpoint of a narrower type rounds what is merged into it.
    expect(maxRelative(our.adapted, their.base)).toBeGreaterThan(1e-2);
    expect(maxRelative(our.adapted, their.merged)).toBeLessThan(our.narrow ? 2e-2 : 1e-5);
    expect(maxRelative(our.emulator, our.base)).toBeGreaterThan(1e-3);
    expect(Math.min(...our.losses)).toBeLessThan(our.losses[0]!);
    if (passedOver.includes(name)) return;
    expect(their.scale).toEqual([4]);
    expect(maxRelative(our.adapted, their.adapter!), 'with the adapter').toBeLessThan(1e-5);
  });
});
