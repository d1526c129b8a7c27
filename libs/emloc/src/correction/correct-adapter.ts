/**
 * A whole adapter corrected, linear by linear from two directories: the original's weight, what the emulator has in
 * its place, never more than one linear in memory. Several limits λ cost little more than one.
 */
import { toFloat64Array } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import { breathe } from '../cancel.ts';
import { StoredWeights } from '../directory/stored-weights.ts';
import type { AdapterHistory } from '../lora/adapter-history.ts';
import { LoraAdapter } from '../lora/lora-adapter.ts';
import type { LoraModule } from '../lora/lora-layout.ts';
import {
  applyCorrection,
  correctionParts,
  defaultCorrectionLimit,
  type CorrectionParts,
} from './correct-lora.ts';

export interface CorrectAdapterRequest {
  readonly original: ModelDirectory;
  readonly emulator: ModelDirectory;
  readonly adapter: LoraAdapter;
  /** One corrected adapter for each (3). */
  readonly limits?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly linears: number }) => void;
}

export interface Correction {
  readonly limit: number;
  /** The caller's. */
  readonly adapter: LoraAdapter;
  readonly linears: readonly CorrectedLinear[];
  /** Rows of B' in all, and those whose correction was limited or left out. */
  readonly rows: number;
  readonly clampedRows: number;
}

export interface CorrectedLinear {
  readonly module: string;
  /** mean|C_i| / mean|B'_i|, a row each; infinite or NaN where B'_i = 0. */
  readonly ratios: Float64Array;
  readonly clamped: number;
}

export async function correctAdapter(request: CorrectAdapterRequest): Promise<Correction[]> {
  const { original, emulator, adapter, limits = [defaultCorrectionLimit] } = request;
  await assertEmulatorOf(original, emulator);
  const [full, emulated] = [new StoredWeights(original), new StoredWeights(emulator)];
  const results = limits.map((limit) => ({
    limit,
    values: new (adapter.dtype === 'f64' ? Float64Array : Float32Array)(adapter.layout.size),
    linears: [] as CorrectedLinear[],
  }));
  let layer = -1;
  let done = 0;
  for (const lora of adapter.modules) {
    if (lora.layer !== layer) await breathe(request.signal);
    layer = lora.layer;
    using parts = partsOf(lora, adapter, full, emulated);
    for (const { limit, values, linears } of results) {
      const { a, b, ratios, clamped } = applyCorrection(parts, limit);
      values.set(toFloat64Array(a), lora.aOffset);
      values.set(toFloat64Array(b), lora.bOffset);
      linears.push({ module: lora.module, ratios, clamped });
      a.dispose();
      b.dispose();
    }
    done += 1;
    request.onProgress?.({ done, linears: adapter.modules.length });
  }
  return results.map(({ limit, values, linears }) => ({
    limit,
    adapter: LoraAdapter.fromValues(adapter.settings, adapter.layout, values, adapter.dtype),
    linears,
    rows: linears.reduce((sum, { ratios }) => sum + ratios.length, 0),
    clampedRows: linears.reduce((sum, { clamped }) => sum + clamped, 0),
  }));
}

function partsOf(
  { module }: LoraModule,
  adapter: LoraAdapter,
  full: StoredWeights,
  emulated: StoredWeights,
): CorrectionParts {
  const factors = adapter.factors(module);
  if (factors === undefined) throw new EmlocError('INTERNAL', 'NO_FACTORS', `no factors for ${module}`);
  using weight = full.readLinear(module);
  if (!emulated.model.isFactored(module)) return correctionParts(factors, weight, 'full', adapter.scale);
  using u = emulated.read(`${module}.u`);
  using v = emulated.read(`${module}.v`);
  return correctionParts(factors, weight, { u, v }, adapter.scale);
}

/** Refuses another model's emulator. */
export async function assertEmulatorOf(original: ModelDirectory, emulator: ModelDirectory): Promise<void> {
  if (emulator.emulator === undefined) {
    throw new EmlocError('INVALID_ARGUMENT', 'NOT_AN_EMULATOR', `${emulator.dir} is no emulator`, {
      field: 'emulator',
      value: emulator.dir,
      mend: 'give a directory that compress wrote',
    });
  }
  if (original.emulator !== undefined) {
    throw new EmlocError('INVALID_ARGUMENT', 'IS_AN_EMULATOR', `${original.dir} is an emulator`, {
      field: 'model',
      value: original.dir,
      mend: 'give the original model',
    });
  }
  const { name, digest } = emulator.emulator.original;
  if ((await original.digest()) !== digest) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'EMULATOR_MISMATCH',
      `${emulator.dir} is an emulator of another model (${name})`,
      { field: 'emulator', value: emulator.dir, mend: `give the original that it was made of, ${name}` },
    );
  }
}

/** Refuses an adapter that was corrected already, or was trained on another emulator. */
export async function assertCorrectable(history: AdapterHistory, emulator: ModelDirectory): Promise<void> {
  if (history.correction !== undefined || (history.refinedSteps ?? 0) > 0) {
    const how = history.correction === undefined ? 'trained on the original' : 'corrected';
    throw new EmlocError('FAILED_PRECONDITION', 'ALREADY_CORRECTED', `the adapter was ${how} already`, {
      field: 'adapter',
      mend: 'give the adapter as it was trained on the emulator',
    });
  }
  if (history.emulator !== undefined && history.emulator !== (await emulator.digest())) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'EMULATOR_MISMATCH',
      `the adapter was trained on another emulator than ${emulator.dir}`,
      {
        field: 'emulator',
        value: emulator.dir,
        mend: 'give the emulator that the adapter was trained on',
      },
    );
  }
}
