/** An operation that corrects an adapter for the original model, or chooses among corrections by held-out loss. */
import { join } from 'node:path';
import {
  adaptedLinears,
  assertCorrectable,
  assertEmulatorOf,
  chooseAdapter,
  correctAdapter,
  decoderLinears,
  defaultRecipes,
  loadAdapter,
  openAdapter,
  packedTokens,
  predictPeak,
  saveAdapter,
  type AdapterDirectory,
  type AdapterHistory,
  type CandidateRecipe,
  type Correction,
  type LoraAdapter,
  type MemoryPrediction,
} from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { modelName, openModel, openWeights, type ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  loadRows,
  openStore,
  performStage,
  ProgressReporter,
  toReference,
  type CandidateEvaluation,
  type CorrectionResult,
  type LinearCorrection,
  type LoadedRows,
  type OperationResult,
} from '@emloc/service-kit/worker';
import type { CorrectionRequest } from './requests.ts';

interface Prepared {
  readonly original: ModelDirectory;
  readonly emulator: ModelDirectory;
  readonly directory: AdapterDirectory;
  readonly heldOut: LoadedRows | undefined;
}

/** An adapter as it was made, before it is written. */
interface Made extends Omit<CorrectionResult, 'adapter'> {
  readonly adapter: LoraAdapter;
  readonly history: AdapterHistory['correction'];
}

export async function correctTrained(
  request: CorrectionRequest,
  context: WorkerContext,
): Promise<OperationResult> {
  const store = openStore();
  const prepared = await prepare(request);
  const { original, emulator, directory } = prepared;
  const { method, maxCorrectionRatio, precision, heldOut } = request;
  return performStage(context, {
    kind: 'correction',
    store,
    inputs: {
      original: await digestOf(store, original.dir),
      emulator: await digestOf(store, emulator.dir),
      adapter: await digestOf(store, directory.dir),
      method,
      ...(method === 'paper' ? { maxCorrectionRatio } : {}),
      ...(heldOut ? { precision, heldOut: { ...heldOut, path: await digestOf(store, heldOut.path) } } : {}),
    },
    predicted: predict(prepared),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => 'use the method paper or none, or shorter held-out rows',
    async work() {
      using trained = loadAdapter(directory, decoderLinears(original));
      const made = await make(request, prepared, trained, context);
      using adapter = made.adapter;
      const out = join(context.outputDir, 'adapter');
      await saveAdapter(adapter, out, {
        baseModel: modelName(original.dir),
        history: {
          ...directory.history,
          ...(made.history === undefined ? {} : { correction: made.history }),
        },
        overwrite: true,
      });
      for (const linearCorrection of made.linears) context.emit({ linearCorrection });
      const { chosen, candidates, linears, changed } = made;
      return { adapter: toReference(await store.adopt(out)), chosen, candidates, linears, changed };
    },
  });
}

async function prepare(request: CorrectionRequest): Promise<Prepared> {
  const original = openModel(request.model);
  const emulator = openModel(request.emulator);
  await assertEmulatorOf(original, emulator);
  const directory = openAdapter(request.adapter);
  adaptedLinears(directory, decoderLinears(original));
  await assertCorrectable(directory.history, emulator);
  const heldOut =
    request.heldOut === undefined ? undefined : await loadRows(request.heldOut, original, { labels: 'some' });
  return { original, emulator, directory, heldOut };
}

async function make(
  request: CorrectionRequest,
  prepared: Prepared,
  adapter: LoraAdapter,
  context: WorkerContext,
): Promise<Made> {
  if (request.method === 'none') {
    const unchanged = { chosen: 'none', candidates: [], linears: [], changed: false, history: undefined };
    return { adapter: adapter.clone(), ...unchanged };
  }
  return request.method === 'paper'
    ? correct(request, prepared, adapter, context)
    : choose(request, prepared, adapter, context);
}

async function correct(
  { maxCorrectionRatio }: CorrectionRequest,
  { original, emulator }: Prepared,
  adapter: LoraAdapter,
  context: WorkerContext,
): Promise<Made> {
  const progress = new ProgressReporter(context, 'correct', adapter.modules.length);
  const [correction] = await correctAdapter({
    original,
    emulator,
    adapter,
    limits: [maxCorrectionRatio],
    signal: context.signal,
    onProgress: ({ done }) => progress.report(done),
  });
  const recipe = { method: 'paper', limit: maxCorrectionRatio } as const;
  return {
    adapter: (correction as Correction).adapter,
    chosen: nameOf(recipe),
    candidates: [],
    linears: linearsOf(correction),
    changed: true,
    history: recipe,
  };
}

async function choose(
  request: CorrectionRequest,
  { original, emulator, heldOut }: Prepared,
  adapter: LoraAdapter,
  context: WorkerContext,
): Promise<Made> {
  const source = openWeights(original, { mode: 'streamed', computeDtype: request.precision });
  const rows = (heldOut as LoadedRows).slice();
  const progress = new ProgressReporter(context, 'evaluate candidates', rows.length);
  try {
    const choice = await chooseAdapter({
      original,
      emulator,
      source,
      adapter,
      rows,
      signal: context.signal,
      onProgress: ({ done }) => progress.report(done),
    });
    const candidates = choice.scores.map(({ recipe, evaluation }): CandidateEvaluation => ({
      ...describe(recipe),
      loss: evaluation.loss,
      rows: evaluation.rows,
      chosen: recipe === choice.chosen,
    }));
    for (const candidateEvaluation of candidates) context.emit({ candidateEvaluation });
    const { chosen } = choice;
    const isPlain = chosen.method === 'none' && chosen.strength === 1;
    return {
      adapter: choice.adapter,
      chosen: nameOf(chosen),
      candidates,
      linears: linearsOf(choice.correction),
      changed: !isPlain,
      history: isPlain ? undefined : chosen,
    };
  } finally {
    source.close();
  }
}

function predict({ original, directory, heldOut }: Prepared): MemoryPrediction {
  const { r, targetModules } = directory.settings;
  const longest = heldOut?.longest ?? 0;
  return predictPeak(heldOut === undefined ? 'correction' : 'selection', {
    model: original,
    convertsWeights: halfPrecision() === 'cast',
    microBatchTokens: Math.min(heldOut?.tokens ?? 0, Math.max(packedTokens, longest)),
    sequenceTokens: longest,
    lora: { r, targetModules },
    candidates: defaultRecipes.length,
  });
}

const nameOf = (recipe: CandidateRecipe): string => describe(recipe).name;

function describe(recipe: CandidateRecipe): Omit<CandidateEvaluation, 'loss' | 'chosen' | 'rows'> {
  if (recipe.method === 'paper') {
    return { name: `paper λ=${recipe.limit}`, method: 'paper', maxCorrectionRatio: recipe.limit };
  }
  const name = recipe.strength === 1 ? 'none' : `none x${recipe.strength}`;
  return { name, method: 'none', scale: recipe.strength };
}

/** JSON knows no infinity: rows with B' = 0 have no ratio. */
function linearsOf(correction: Correction | undefined): LinearCorrection[] {
  return (correction?.linears ?? []).map(({ module, ratios, clamped }) => ({
    module,
    clampedRows: clamped,
    rows: ratios.length,
    clampRatios: Array.from(ratios).filter(Number.isFinite),
  }));
}
