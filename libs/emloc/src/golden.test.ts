/**
 * The whole method on the golden fixtures (the README.md of each folder in tests/fixtures), an architecture each, against
 * PyTorch in float64. Every quantity within 10 times the distance that PyTorch's own float32 run has; the largest
 * differences are printed.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { matmul, mul, startEngine, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import {
  forwardPass,
  logitsOf,
  openModel,
  openWeights,
  prepareBatch,
  type LinearsFor,
  type ModelDirectory,
  type WeightSource,
} from '@emloc/models';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  adapterLinears,
  calibrateLayers,
  compressLinear,
  compressModel,
  correctAdapter,
  decoderLinears,
  LoraAdapter,
  loraLayout,
  loadAdapter,
  mergeModel,
  openAdapter,
  parseTrainingOptions,
  resolveRatios,
  saveAdapter,
  selectTargets,
  train,
  type LinearReport,
} from './index.ts';
import { StoredWeights } from './directory/stored-weights.ts';
import {
  frobenius,
  GoldenFixture,
  goldenFixtures,
  maxRelative,
  take,
  worstRelative,
  type Trajectory,
} from './testing/fixture.ts';

beforeAll(() => startEngine());

const adapterConfig = (dir: string): unknown =>
  JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8'));

/** tiny-llama goes through all of them, the others through one of each kind. */
const runsOf = (name: string) =>
  name === 'tiny-llama'
    ? (['resident', 'streamed'] as const).flatMap((mode) => [
        { mode, run: 'training' as const, rows: 4 },
        { mode, run: 'trainerLike' as const, rows: 4 },
        { mode, run: 'trainerLike' as const, rows: 2 },
      ])
    : [
        { mode: 'resident' as const, run: 'training' as const, rows: 4 },
        { mode: 'streamed' as const, run: 'trainerLike' as const, rows: 2 },
      ];

const optionsOf = ({ hyperparameters: { lr, weightDecay, maxGradNorm } }: Trajectory, warmup: boolean) =>
  parseTrainingOptions({
    max_steps: 20,
    learning_rate: lr,
    weight_decay: weightDecay,
    max_grad_norm: maxGradNorm ?? 0,
    lr_scheduler_type: warmup ? 'cosine' : 'constant',
    warmup_steps: warmup ? 3 : 0,
  });

describe.each(goldenFixtures)('%s', (name) => {
  const fixture = new GoldenFixture(name);
  const { expected } = fixture;
  const golden = (tensor: string) => fixture.tensor(tensor);
  const { r, alpha, modules } = expected.lora;
  const scale = alpha / r;
  const work = mkdtempSync(join(tmpdir(), 'emloc-golden-'));
  const emulatorDir = join(work, 'emulator');
  let model: ModelDirectory;
  let reports: LinearReport[];
  const measured = new Map<string, { difference: number; allowed: number }>();

  /** Golden numbers are of float32 arithmetic, whatever the weights are stored in. */
  const openAs = (dir: string, mode: 'resident' | 'streamed'): WeightSource =>
    openWeights(openModel(dir), { mode, computeDtype: 'f32' });

  /** Within 10 times the recorded floor of PyTorch's float32. */
  function expectNear(
    quantity: string,
    measure: 'maxAbsOverMax' | 'frobenius' | 'maxRelative',
    difference: number,
  ) {
    const allowed = 10 * (expected.relativeDifferenceF32vsF64[quantity]?.[measure] ?? 0);
    const key = `${quantity} (${measure})`;
    measured.set(key, { difference: Math.max(difference, measured.get(key)?.difference ?? 0), allowed });
    expect(difference, quantity).toBeLessThan(allowed);
  }

  const goldenAdapter = (kind: 'init' | 'trained'): LoraAdapter => {
    const linears = selectTargets(decoderLinears(model), expected.lora.target_modules);
    const layout = loraLayout(linears, r);
    const values = new Float32Array(layout.size);
    for (const { module, aOffset, bOffset } of layout.modules) {
      values.set(golden(`${kind === 'init' ? 'lora_A_init' : 'lora_A'}.${module}`), aOffset);
      if (kind === 'trained') values.set(golden(`lora_B.${module}`), bOffset);
    }
    const settings = { r, loraAlpha: alpha, loraDropout: 0, targetModules: expected.lora.target_modules };
    return LoraAdapter.fromValues(settings, layout, values);
  };

  const delta = (adapter: LoraAdapter, module: string): Float64Array => {
    const { a, b } = adapter.factors(module) as { a: Tensor; b: Tensor };
    return take(tidy(() => mul(matmul(b, a), adapter.scale)));
  };

  async function logits(source: WeightSource, linears: LinearsFor): Promise<Float64Array> {
    const batch = prepareBatch(source, [fixture.probe()]);
    const { hidden, dispose } = await forwardPass(source, [batch], linears);
    try {
      return source.withHead((head) =>
        tidy(() => toFloat64Array(logitsOf(source, hidden[0] as Tensor, head))),
      );
    } finally {
      dispose();
      batch.dispose();
    }
  }

  async function logitsOfDirectory(dir: string, adapter?: LoraAdapter): Promise<Float64Array> {
    const source = openAs(dir, 'resident');
    try {
      return await logits(source, adapterLinears(source, adapter));
    } finally {
      source.close();
    }
  }

  beforeAll(async () => {
    model = openModel(fixture.dir);
    const source = openAs(fixture.dir, 'streamed');
    const grams = calibrateLayers(source, fixture.calibrationRows());
    reports = await compressModel({ model, grams, ratios: { ratios: expected.compress }, out: emulatorDir });
    source.close();
  });

  afterAll(() => {
    rmSync(work, { recursive: true, force: true });
    for (const [quantity, { difference, allowed }] of measured) {
      console.log(
        `${name}, ${quantity}: ${difference.toExponential(1)}, allowed ${allowed.toExponential(1)}`,
      );
    }
  });

  test('Grams, singular values and emulated weights are the golden ones', async () => {
    const compressed = new Map(resolveRatios(decoderLinears(model), { ratios: expected.compress }));
    const kept = reports.flatMap(({ module, keptFullRows: rows }) =>
      rows === undefined ? [] : [[module, rows]],
    );
    expect(kept).toEqual((expected.keptFull ?? []).map((module) => [module, expected.rows?.[module]]));
    expect(Object.entries(openModel(emulatorDir).emulator?.keptFull ?? {})).toEqual(kept);
    for (const module of expected.keptFull ?? []) compressed.delete(module);
    expect(Object.fromEntries([...compressed].map(([module, { rank }]) => [module, rank]))).toEqual(
      expected.rank,
    );
    const worst = { gram: 0, gramF: 0, sigma: 0, sigmaF: 0, wprime: 0, wprimeF: 0 };
    const stored = new StoredWeights(model);
    const source = openAs(fixture.dir, 'streamed');
    for await (const { grams, gramOf } of calibrateLayers(source, fixture.calibrationRows())) {
      for (const [module, group] of gramOf) {
        if (!compressed.has(module)) continue;
        expect(`gram.${group}`).toBe(expected.gramOf[module]);
        const gram = grams.get(group) as Tensor;
        const wanted = golden(`gram.${group}`);
        worst.gram = Math.max(worst.gram, maxRelative(toFloat64Array(gram), wanted));
        worst.gramF = Math.max(worst.gramF, frobenius(toFloat64Array(gram), wanted));
        using weight = stored.readLinear(module);
        const { u, v, sigma } = compressLinear(weight, gram, compressed.get(module)?.rank ?? 0);
        worst.sigma = Math.max(worst.sigma, maxRelative(sigma, golden(`sigma.${module}`)));
        worst.sigmaF = Math.max(worst.sigmaF, frobenius(sigma, golden(`sigma.${module}`)));
        const product = take(tidy(() => matmul(u, v)));
        worst.wprime = Math.max(worst.wprime, maxRelative(product, golden(`wprime.${module}`)));
        worst.wprimeF = Math.max(worst.wprimeF, frobenius(product, golden(`wprime.${module}`)));
        u.dispose();
        v.dispose();
      }
    }
    source.close();
    expectNear('gram', 'maxAbsOverMax', worst.gram);
    expectNear('gram', 'frobenius', worst.gramF);
    expectNear('sigma', 'maxAbsOverMax', worst.sigma);
    expectNear('sigma', 'frobenius', worst.sigmaF);
    expectNear('wprime', 'maxAbsOverMax', worst.wprime);
    expectNear('wprime', 'frobenius', worst.wprimeF);
  });

  test('logits of the original and of the emulator directory', async () => {
    expectNear(
      'logits.full',
      'maxAbsOverMax',
      maxRelative(await logitsOfDirectory(fixture.dir), golden('logits.full')),
    );
    expectNear(
      'logits.emulator',
      'maxAbsOverMax',
      maxRelative(await logitsOfDirectory(emulatorDir), golden('logits.emulator')),
    );
  });

  test.each(runsOf(name))(
    '$run, $mode, micro-batches of $rows: losses, norms, rates, factors',
    async ({ mode, run, rows }) => {
      const trajectory = expected[run];
      const source = openAs(emulatorDir, mode);
      using adapter = goldenAdapter('init');
      const rates: number[] = [];
      const { losses, gradNorms } = await train({
        source,
        adapter,
        plan: fixture.plan(rows),
        options: optionsOf(trajectory, run === 'trainerLike'),
        onEvent: (event) => void (event.kind === 'step' && rates.push(event.learningRate)),
      });
      expect(worstRelative(rates.slice(1), trajectory.lr.slice(1))).toBeLessThan(1e-12);
      expect(rates[0]).toBe(trajectory.lr[0]);
      expectNear(`${run}.loss`, 'maxRelative', worstRelative(losses, trajectory.loss));
      expectNear(`${run}.gradNorm`, 'maxRelative', worstRelative(gradNorms, trajectory.gradNorm));
      if (run === 'trainerLike') {
        const norms = modules.map((module) => Math.hypot(...delta(adapter, module)));
        const wanted = modules.map((module) => trajectory.deltaFrobenius[module] ?? NaN);
        expectNear('trainerLike.delta', 'frobenius', worstRelative(norms, wanted));
      } else {
        const worst = { a: 0, b: 0, delta: 0 };
        for (const module of modules) {
          const { a, b } = adapter.factors(module) as { a: Tensor; b: Tensor };
          worst.a = Math.max(worst.a, frobenius(toFloat64Array(a), golden(`lora_A.${module}`)));
          worst.b = Math.max(worst.b, frobenius(toFloat64Array(b), golden(`lora_B.${module}`)));
        }
        using reference = goldenAdapter('trained');
        for (const module of modules) {
          worst.delta = Math.max(worst.delta, frobenius(delta(adapter, module), delta(reference, module)));
        }
        expectNear('lora_A', 'frobenius', worst.a);
        expectNear('lora_B', 'frobenius', worst.b);
        expectNear('delta.uncorrected', 'frobenius', worst.delta);
        expectNear(
          'logits.emulator_trained',
          'maxAbsOverMax',
          maxRelative(
            await logits(source, adapterLinears(source, adapter)),
            golden('logits.emulator_trained'),
          ),
        );
      }
      source.close();
    },
  );

  test('correction and merge: clamp ratios, corrected deltas, merged logits', async () => {
    using trained = goldenAdapter('trained');
    const [correction] = await correctAdapter({
      original: model,
      emulator: openModel(emulatorDir),
      adapter: trained,
      limits: [expected.correction.limit],
    });
    if (correction === undefined) throw new Error('no correction');
    using corrected = correction.adapter;
    const ratios = correction.linears.flatMap((linear) => [...linear.ratios].sort((a, b) => a - b));
    const wanted = correction.linears.flatMap(({ module }) => expected.correction.clampRatio[module] ?? []);
    expectNear('clampRatio', 'maxRelative', worstRelative(ratios, wanted));
    const all = Object.values(expected.correction.clampRatio).flat();
    expect([correction.clampedRows, correction.rows]).toEqual([
      all.filter((ratio) => ratio > expected.correction.limit).length,
      all.length,
    ]);
    const worst = { max: 0, frobenius: 0 };
    for (const module of modules) {
      const [is, was] = [delta(corrected, module), golden(`delta.corrected.${module}`)];
      worst.max = Math.max(worst.max, maxRelative(is, was));
      worst.frobenius = Math.max(worst.frobenius, frobenius(is, was));
    }
    expectNear('delta.corrected', 'maxAbsOverMax', worst.max);
    expectNear('delta.corrected', 'frobenius', worst.frobenius);

    for (const [quantity, adapter] of [
      ['logits.merged', corrected],
      ['logits.merged_uncorrected', trained],
    ] as const) {
      const out = join(work, quantity);
      await mergeModel({ model, adapter, out });
      expectNear(quantity, 'maxAbsOverMax', maxRelative(await logitsOfDirectory(out), golden(quantity)));
      // A checkpoint of a narrower type rounds what is merged into it.
      if (expected.storedDtype === 'bfloat16') continue;
      const beside = await logitsOfDirectory(fixture.dir, adapter);
      expectNear(quantity, 'maxAbsOverMax', maxRelative(beside, golden(quantity)));
    }
  });

  test('adapters of PEFT load, and what is saved is what PEFT saved', async () => {
    const linears = decoderLinears(model);
    for (const kind of ['uncorrected', 'corrected']) {
      const peft = openAdapter(join(fixture.dir, `adapter-${kind}`));
      using adapter = loadAdapter(peft, linears);
      expect(adapter.scale).toBe(scale);
      const out = join(work, `adapter-${kind}`);
      await saveAdapter(adapter, out, { baseModel: name });
      const again = openAdapter(out);
      expect(again.settings).toEqual(peft.settings);
      expect([...again.file.tensors.keys()].sort()).toEqual([...peft.file.tensors.keys()].sort());
      expect(adapterConfig(out)).toEqual(adapterConfig(peft.dir));
      using copy = loadAdapter(again, linears);
      expect(copy.values()).toEqual(adapter.values());
    }
  });
});
