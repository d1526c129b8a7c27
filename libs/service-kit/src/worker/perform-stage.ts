/**
 * One stage in its process: found in the store by its inputs, or predicted, held against the budget, done, measured and
 * written down, so that the same work is not done twice.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDigest, resultKey, type ArtifactStore, type Digest } from '@emloc/artifacts';
import { startEngine } from '@emloc/engine';
import type { MemoryPrediction as PredictedPeak } from '@emloc/emloc';
import type { WorkerContext } from '@emloc/operations';
import type { ArtifactReference, OperationResult, StageResults, WorkerEvent } from '../operations/events.ts';
import { lap } from './laps.ts';
import { assertWithinBudget, predictionOf, UsageMeter } from './memory.ts';

/** Counts up when the same inputs give another result than before. */
const formatVersion = 1;

export interface Stage<K extends keyof StageResults> {
  readonly kind: K;
  readonly store: ArtifactStore;
  /** Digests and settings: all that the result depends on. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly predicted: PredictedPeak;
  readonly budgetBytes: number | undefined;
  /** What would fit the budget. */
  readonly mend: () => string;
  /** The artifacts are in the store when it returns. The engine is started when it is called. */
  readonly work: () => Promise<StageResults[K]>;
}

export async function performStage<K extends keyof StageResults>(
  context: WorkerContext,
  stage: Stage<K>,
): Promise<OperationResult> {
  const emit = (event: WorkerEvent): void => context.emit(event);
  const { kind, store } = stage;
  const prediction = predictionOf(stage.predicted, stage.budgetBytes);
  const key = resultKey({ kind, formatVersion, ...stage.inputs });
  const known = await readRecord(store, key);
  if (known !== undefined) {
    lap('prepare', { 'emloc.from_store': true });
    emit({ notice: { text: 'taken from the store: it was done before', warning: false } });
    return { ...known, fromStore: true };
  }
  emit({ prediction });
  lap('prepare', { 'emloc.memory.predicted_bytes': prediction.peakResidentBytes });
  assertWithinBudget(prediction, stage.mend);
  using meter = new UsageMeter();
  await startEngine();
  lap('start engine');
  const made = await stage.work();
  const result: OperationResult = { prediction, usage: meter.read(), fromStore: false, [kind]: made };
  await writeRecord(store, key, result);
  return result;
}

/** Undefined also where an artifact that it names is gone. */
async function readRecord(store: ArtifactStore, key: string): Promise<OperationResult | undefined> {
  const digest = await store.results.get(key);
  if (digest === undefined) return undefined;
  const record = JSON.parse(await readFile(store.path(digest), 'utf8')) as OperationResult;
  for (const reference of referencesIn(record)) {
    if (!(await store.has(reference.digest as Digest))) return undefined;
  }
  return record;
}

/** The record, and beside it each artifact under a key of its own: what a result names is kept. */
async function writeRecord(store: ArtifactStore, key: string, record: OperationResult): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'emloc-result-'));
  try {
    const path = join(directory, 'result.json');
    await writeFile(path, JSON.stringify(record));
    const { digest } = await store.putFile(path);
    let part = 0;
    for (const reference of referencesIn(record)) {
      await store.results.put(resultKey({ key, part: (part += 1) }), reference.digest as Digest);
    }
    await store.results.put(key, digest);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function referencesIn(value: unknown): ArtifactReference[] {
  if (typeof value !== 'object' || value === null) return [];
  const { digest } = value as { digest?: unknown };
  if (typeof digest === 'string' && isDigest(digest)) return [value as ArtifactReference];
  return Object.values(value).flatMap(referencesIn);
}
