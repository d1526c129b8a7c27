/**
 * A training run at a step, as ONE object in one file: the adapter's numbers, Adam's moments, the step (which is the
 * position in the data and in every random stream, since both are functions of seed and step), the best adapter so far
 * and the options. Written whole or not at all; a run that goes on from it gives the same numbers bit for bit.
 */
import { EmlocError } from '@emloc/errors';
import { readSafetensorsHeader, readTensorBytes, writeSafetensors } from '@emloc/tensor-stream';
import type { LoraLayout } from '../lora/lora-layout.ts';
import type { TrainingOptions } from '../options/training-options.ts';

export interface BestEvaluation {
  readonly step: number;
  readonly loss: number;
  readonly parameters: Float32Array | Float64Array;
}

export interface Checkpoint {
  /** Optimizer steps done. */
  readonly step: number;
  readonly totalSteps: number;
  /** The first step's place in the batch plan. */
  readonly firstBatch: number;
  readonly planDigest: string | undefined;
  readonly options: TrainingOptions;
  readonly modules: readonly string[];
  readonly parameters: Float32Array | Float64Array;
  /** Updates that Adam's moments have seen, for their bias correction. */
  readonly updates: number;
  readonly firstMoment: Float32Array | Float64Array;
  readonly secondMoment: Float32Array | Float64Array;
  readonly best: BestEvaluation | undefined;
  readonly evaluationsWithoutGain: number;
}

const formatVersion = 1;
const vectors = ['parameters', 'firstMoment', 'secondMoment'] as const;

export function writeCheckpoint(path: string, checkpoint: Checkpoint): void {
  const { parameters, firstMoment, secondMoment, best, ...state } = checkpoint;
  const stored = { parameters, firstMoment, secondMoment };
  const all = [
    ...vectors.map((name) => tensorOf(name, stored[name])),
    ...(best === undefined ? [] : [tensorOf('best', best.parameters)]),
  ];
  const record = {
    formatVersion,
    ...state,
    best: best === undefined ? undefined : { step: best.step, loss: best.loss },
  };
  writeSafetensors(path, all, { emloc_checkpoint: JSON.stringify(record) });
}

export function readCheckpoint(path: string): Checkpoint {
  const file = readSafetensorsHeader(path);
  const record = parseRecord(path, file.metadata['emloc_checkpoint']);
  const read = (name: string): Float32Array | Float64Array => {
    const stored = file.tensors.get(name);
    if (stored === undefined) throw bad(path, `holds no ${name}`);
    const bytes = readTensorBytes(file, name);
    return stored.dtype === 'f64' ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
  };
  const best = record.best === undefined ? undefined : { ...record.best, parameters: read('best') };
  return {
    ...record,
    planDigest: record.planDigest,
    parameters: read('parameters'),
    firstMoment: read('firstMoment'),
    secondMoment: read('secondMoment'),
    best,
  };
}

export interface RunIdentity {
  readonly options: TrainingOptions;
  readonly layout: LoraLayout;
  readonly totalSteps: number;
  readonly firstBatch: number;
  readonly planDigest: string | undefined;
}

/** What may differ between a run and the one that goes on from its checkpoint: it changes no number. */
const free: ReadonlySet<string> = new Set(['saveSteps']);

/** Refuses a checkpoint of another run, naming the first thing that differs. */
export function assertSameRun(checkpoint: Checkpoint, run: RunIdentity): void {
  const [was, is] = [checkpoint.options, run.options] as unknown as Record<string, unknown>[];
  const keys = new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})]);
  for (const key of keys) {
    if (free.has(key) || JSON.stringify(was?.[key]) === JSON.stringify(is?.[key])) continue;
    throw mismatch(key, was?.[key], is?.[key]);
  }
  const modules = run.layout.modules.map(({ module }) => module);
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['maxSteps', checkpoint.totalSteps, run.totalSteps],
    ['firstBatch', checkpoint.firstBatch, run.firstBatch],
    ['data', checkpoint.planDigest, run.planDigest],
    ['targetModules', checkpoint.modules.join(','), modules.join(',')],
    ['loraR', checkpoint.parameters.length, run.layout.size],
  ];
  for (const [field, old, now] of pairs) if (old !== now) throw mismatch(field, old, now);
}

function mismatch(field: string, was: unknown, is: unknown): EmlocError {
  const short = (value: unknown) => String(JSON.stringify(value) ?? 'none').slice(0, 80);
  return new EmlocError(
    'FAILED_PRECONDITION',
    'CHECKPOINT_MISMATCH',
    `the checkpoint was made with ${field} ${short(was)}, this run has ${short(is)}`,
    { field, value: short(is), mend: 'resume with the same options and data, or start anew' },
  );
}

function tensorOf(name: string, values: Float32Array | Float64Array) {
  return {
    name,
    dtype: values instanceof Float64Array ? ('f64' as const) : ('f32' as const),
    shape: [values.length],
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

type StoredRecord = Omit<Checkpoint, (typeof vectors)[number] | 'best'> & {
  readonly best?: { readonly step: number; readonly loss: number };
};

function parseRecord(path: string, text: string | undefined): StoredRecord {
  if (text === undefined) throw bad(path, 'is no checkpoint of a training run');
  try {
    const record = JSON.parse(text) as StoredRecord & { formatVersion: number };
    if (record.formatVersion !== formatVersion) throw bad(path, `has format ${record.formatVersion}`);
    return record;
  } catch (cause) {
    throw cause instanceof EmlocError ? cause : bad(path, 'has metadata that is not JSON', cause);
  }
}

const bad = (path: string, problem: string, cause?: unknown): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_CHECKPOINT', `${path} ${problem}`, {
    field: 'resume',
    value: path,
    mend: 'give a checkpoint that train wrote',
    cause,
  });
