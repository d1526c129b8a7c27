/**
 * A model directory → an emulator directory that is complete in itself: factors `<module>.u` and `<module>.v` in the
 * checkpoint's type, all other tensors unchanged, configuration and tokenizer files, `emloc.json`. One linear is in
 * memory at a time; Grams are pulled layer by layer as they are made or read.
 */
import { bytesOf } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { writeDirectory, writeEmulatorInfo, type EmulatorInfo, type ModelDirectory } from '@emloc/models';
import type { SafetensorsWriter } from '@emloc/tensor-stream';
import type { GramLayers, LayerGrams } from '../calibration/layer-grams.ts';
import { breathe, throwIfCancelled } from '../cancel.ts';
import { decoderLinears, type DecoderLinear } from '../decoder-linears.ts';
import { copyModelFiles } from '../directory/copy-model-files.ts';
import { StoredWeights } from '../directory/stored-weights.ts';
import {
  ratioRecord,
  resolveRatios,
  type CompressedLinear,
  type RatioSpec,
} from '../ratios/resolve-ratios.ts';
import { compressLinear } from './compress-linear.ts';
import { EmulatorFiles } from './emulator-files.ts';
import { GramRoot } from './gram-root.ts';

export type CompressionMethod = EmulatorInfo['method'];

export interface CompressModelRequest {
  readonly model: ModelDirectory;
  readonly ratios: RatioSpec;
  /** Needed for `activation-svd`: the layers' Grams in order. */
  readonly grams?: GramLayers;
  readonly method?: CompressionMethod;
  readonly out: string;
  readonly overwrite?: boolean;
  /** What the emulator says its original is called (the directory's name). */
  readonly originalName?: string;
  readonly calibration?: EmulatorInfo['calibration'];
  readonly signal?: AbortSignal;
  readonly onLinear?: (report: LinearReport) => void;
}

export interface LinearReport extends CompressedLinear {
  readonly layer: number;
  readonly layers: number;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly truncationLoss: number;
  readonly relativeTruncationLoss: number;
  /**
   * An expert's linear that keeps its full weights, since only so many calibration rows came to it, fewer than its rank:
   * rank and losses are 0. Not there otherwise.
   */
  readonly keptFullRows?: number;
}

/** Returns what each linear lost, in order. */
export async function compressModel(request: CompressModelRequest): Promise<LinearReport[]> {
  const { model, method = 'activation-svd' } = request;
  if (model.emulator !== undefined) {
    throw new EmlocError('INVALID_ARGUMENT', 'IS_AN_EMULATOR', `${model.dir} is an emulator already`, {
      field: 'model',
      value: model.dir,
      mend: `compress its original, ${model.emulator.original.name}`,
    });
  }
  const linears = decoderLinears(model);
  const compressed = resolveRatios(linears, request.ratios);
  const layers = method === 'svd' ? withoutGrams(linears) : gramsOf(request);
  const original = {
    name: request.originalName ?? model.dir.split(/[\\/]/).filter(Boolean).at(-1) ?? 'model',
    digest: await model.digest(),
  };
  return writeDirectory(request.out, request, async (directory) => {
    const stored = new StoredWeights(model);
    using files = new EmulatorFiles(directory, model, linears, compressed);
    for (const _ of files.copyOthers(stored)) throwIfCancelled(request.signal);
    const reports: LinearReport[] = [];
    for await (const grams of layers) {
      const todo = linears.filter(({ layer, module }) => layer === grams.layer && compressed.has(module));
      if (todo.length === 0) continue;
      const full = tooFewRows(todo, compressed, grams);
      const writer = files.layer(todo, new Set(full.keys()));
      compressLayer(todo, compressed, full, grams, stored, writer, method !== 'svd', (report) => {
        const whole = { ...report, layers: model.config.numLayers };
        reports.push(whole);
        request.onLinear?.(whole);
      });
      await breathe(request.signal);
    }
    assertAllDone(compressed, reports);
    files.finish();
    copyModelFiles(model.dir, directory);
    writeEmulatorInfo(directory, emulatorInfo(request, method, original, reports));
    return reports;
  });
}

/** Linears of experts that fewer rows than their rank came to, and how many: their Grams say too little of them. */
function tooFewRows(
  todo: readonly DecoderLinear[],
  compressed: ReadonlyMap<string, CompressedLinear>,
  { gramOf, rows }: LayerGrams,
): Map<string, number> {
  const few = new Map<string, number>();
  for (const { module, routed } of todo) {
    const seen = rows.get(gramOf.get(module) ?? '');
    if (routed && seen !== undefined && seen < (compressed.get(module)?.rank ?? 0)) few.set(module, seen);
  }
  return few;
}

function compressLayer(
  todo: readonly DecoderLinear[],
  compressed: ReadonlyMap<string, CompressedLinear>,
  full: ReadonlyMap<string, number>,
  layer: LayerGrams,
  stored: StoredWeights,
  writer: SafetensorsWriter,
  needsGram: boolean,
  report: (report: Omit<LinearReport, 'layers'>) => void,
): void {
  // Linears that share a Gram follow each other, so one root at a time is enough.
  let shared: { key: string; root: GramRoot } | undefined;
  try {
    for (const linear of todo) {
      const { rank, ratio } = compressed.get(linear.module) as CompressedLinear;
      const { module, layer: index, outFeatures, inFeatures } = linear;
      const about = { module, layer: index, outFeatures, inFeatures, ratio };
      const keptFullRows = full.get(module);
      if (keptFullRows !== undefined) {
        stored.copy(`${module}.weight`, writer);
        report({ ...about, rank: 0, truncationLoss: 0, relativeTruncationLoss: 0, keptFullRows });
        continue;
      }
      const key = layer.gramOf.get(linear.module);
      if (key !== shared?.key) {
        shared?.root[Symbol.dispose]();
        shared = undefined;
        const gram = layer.grams.get(key ?? '');
        if (gram !== undefined && key !== undefined) shared = { key, root: new GramRoot(gram) };
      }
      if (needsGram && shared === undefined) throw noGram(linear.module);
      using weight = stored.readLinear(linear.module);
      const result = compressLinear(weight, shared?.root, rank, weight.dtype);
      using u = result.u;
      using v = result.v;
      writer.write(`${linear.module}.u`, bytesOf(u));
      writer.write(`${linear.module}.v`, bytesOf(v));
      const { truncationLoss, relativeTruncationLoss } = result;
      report({ ...about, rank, truncationLoss, relativeTruncationLoss });
    }
  } finally {
    shared?.root[Symbol.dispose]();
  }
}

function gramsOf({ grams }: CompressModelRequest): GramLayers {
  if (grams !== undefined) return grams;
  throw new EmlocError('INVALID_ARGUMENT', 'NO_STATISTICS', 'activation-svd needs Gram matrices', {
    field: 'statistics',
    mend: 'calibrate first, or choose the method svd',
  });
}

async function* withoutGrams(linears: readonly DecoderLinear[]): AsyncGenerator<LayerGrams> {
  for (const layer of new Set(linears.map((linear) => linear.layer))) {
    yield { layer, grams: new Map(), gramOf: new Map(), rows: new Map() };
  }
}

function assertAllDone(
  compressed: ReadonlyMap<string, CompressedLinear>,
  reports: readonly LinearReport[],
): void {
  const done = new Set(reports.map(({ module }) => module));
  const missing = [...compressed.keys()].find((module) => !done.has(module));
  if (missing !== undefined) throw noGram(missing);
}

const noGram = (module: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_STATISTICS', `there is no Gram matrix for ${module}`, {
    field: 'statistics',
    value: module,
    mend: 'calibrate all linears that are to be compressed',
  });

function emulatorInfo(
  { ratios, calibration }: CompressModelRequest,
  method: CompressionMethod,
  original: EmulatorInfo['original'],
  reports: readonly LinearReport[],
): EmulatorInfo {
  const kept = reports.flatMap(({ module, keptFullRows }) =>
    keptFullRows === undefined ? [] : [[module, keptFullRows] as const],
  );
  return {
    formatVersion: 1,
    original,
    method,
    ratios: ratioRecord(ratios),
    modules: Object.fromEntries(
      reports
        .filter(({ keptFullRows }) => keptFullRows === undefined)
        .map(({ module, rank, ratio, relativeTruncationLoss }) => [
          module,
          { rank, ratio, relativeTruncationLoss },
        ]),
    ),
    ...(kept.length === 0 ? {} : { keptFull: Object.fromEntries(kept) }),
    ...(calibration === undefined ? {} : { calibration }),
  };
}
