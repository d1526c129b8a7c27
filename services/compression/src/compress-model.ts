/** An operation that makes an emulator of a model: Grams in, layer by layer, from a file or as they are made. */
import { join } from 'node:path';
import {
  compressModel,
  decoderLinears,
  assertGramsOf,
  openGramFile,
  predictPeak,
  readGramLayers,
  resolveRatios,
  type DecoderLinear,
  type GramLayers,
  type LinearReport,
} from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { modelName, openModel, type ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  openStore,
  performStage,
  ProgressReporter,
  toReference,
  type LinearCompression,
  type OperationResult,
} from '@emloc/service-kit/worker';
import { receiveGrams, type CalibrationSummary } from './gram-messages.ts';
import type { CompressionRequest } from './requests.ts';

type Store = ReturnType<typeof openStore>;

export async function compressToEmulator(
  request: CompressionRequest,
  context: WorkerContext,
): Promise<OperationResult> {
  const store = openStore();
  const model = openModel(request.model);
  refuseEmulator(model);
  const linears = decoderLinears(model);
  // Bad patterns and ranks are refused here, before the engine is started.
  const compressed = resolveRatios(linears, request.ratios);
  const { statistics } = request;
  if (statistics.kind === 'file') assertGramsOf(openGramFile(statistics.path), linears);
  return performStage(context, {
    kind: 'compression',
    store,
    inputs: {
      model: await digestOf(store, model.dir),
      ratios: request.ratios,
      method: request.method,
      statistics: await keyOf(store, request),
    },
    predicted: predictPeak('compression', {
      model,
      convertsWeights: halfPrecision() === 'cast',
      microBatchTokens: 0,
      sequenceTokens: 0,
    }),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => 'this model needs that much for its largest linear: raise the budget',
    async work() {
      const out = join(context.outputDir, 'emulator');
      const progress = new ProgressReporter(context, 'compress', compressed.size);
      const { layers, summary } = await gramsOf(request, model, linears, context);
      let done = 0;
      const reports = await compressModel({
        model,
        ratios: request.ratios,
        method: request.method,
        grams: layers,
        out,
        overwrite: true,
        originalName: modelName(model.dir),
        calibration: summary === undefined ? undefined : calibrationInfo(summary),
        signal: context.signal,
        onLinear: (report) => {
          context.emit({ linearCompression: toLinear(report) });
          progress.report((done += 1));
        },
      });
      const emulator = toReference(await store.adopt(out));
      return {
        emulator,
        linears: allLinears(linears, reports),
        parameterRatio: parameterRatio(linears, reports),
        calibrationPrediction: summary?.prediction,
        calibrationUsage: summary?.usage,
      };
    },
  });
}

interface Grams {
  readonly layers: GramLayers | undefined;
  /** Of Grams that came as a stream; filled in while they come. */
  readonly summary: CalibrationSummary | undefined;
}

async function gramsOf(
  { statistics }: CompressionRequest,
  model: ModelDirectory,
  linears: readonly DecoderLinear[],
  context: WorkerContext,
): Promise<Grams> {
  switch (statistics.kind) {
    case 'none':
      return { layers: undefined, summary: undefined };
    case 'file':
      return { layers: readGramLayers(openGramFile(statistics.path), linears), summary: undefined };
    case 'stream':
      return receiveGrams(context.input, Math.max(1, statistics.addresses.length), await model.digest());
  }
}

/** Where the numbers come from, not over which wires. */
async function keyOf(store: Store, { statistics }: CompressionRequest): Promise<unknown> {
  if (statistics.kind === 'none') return 'none';
  if (statistics.kind === 'file') return digestOf(store, statistics.path);
  const { dataset, samples, seed } = statistics;
  return { dataset: { ...dataset, path: await digestOf(store, dataset.path) }, samples, seed };
}

function refuseEmulator({ dir, emulator }: ModelDirectory): void {
  if (emulator === undefined) return;
  throw new EmlocError('INVALID_ARGUMENT', 'IS_AN_EMULATOR', `${dir} is an emulator already`, {
    field: 'model',
    value: dir,
    mend: `compress its original, ${emulator.original.name}`,
  });
}

const calibrationInfo = ({ samples, tokens }: CalibrationSummary): { samples: number; tokens: number } => ({
  samples,
  tokens,
});

const toLinear = (report: LinearReport): LinearCompression => ({
  module: report.module,
  rank: report.rank,
  ratio: report.ratio,
  truncationLoss: report.truncationLoss,
  relativeTruncationLoss: report.relativeTruncationLoss,
  ...(report.keptFullRows === undefined ? {} : { keptFullRows: report.keptFullRows }),
});

function allLinears(
  linears: readonly DecoderLinear[],
  reports: readonly LinearReport[],
): LinearCompression[] {
  const byModule = new Map(reports.map((report) => [report.module, toLinear(report)]));
  const full = { rank: 0, ratio: 1, truncationLoss: 0, relativeTruncationLoss: 0 };
  return linears.map(({ module }) => byModule.get(module) ?? { module, ...full });
}

function parameterRatio(linears: readonly DecoderLinear[], reports: readonly LinearReport[]): number {
  const ranks = new Map(reports.map(({ module, rank }) => [module, rank]));
  let full = 0;
  let kept = 0;
  for (const { module, inFeatures, outFeatures } of linears) {
    const rank = ranks.get(module);
    full += inFeatures * outFeatures;
    kept += rank === undefined || rank === 0 ? inFeatures * outFeatures : rank * (inFeatures + outFeatures);
  }
  return kept / full;
}
