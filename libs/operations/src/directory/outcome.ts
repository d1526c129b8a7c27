/** How an attempt ended, as its process left it: `result.json` or `error.json`. */
import { rmSync } from 'node:fs';
import type { ErrorJson } from '../error-json.ts';
import { readJson, writeJson } from '../files.ts';
import type { OperationState, Usage } from '../types.ts';
import type { Layout } from './layout.ts';

export interface Outcome {
  /** QUEUED: it was released for another attempt. */
  readonly state: Exclude<OperationState, 'RUNNING'>;
  readonly error?: ErrorJson;
  readonly peakRssBytes?: number;
}

interface ResultFile {
  readonly result: unknown;
  readonly peakRssBytes: number;
}

export function writeResult(layout: Layout, result: unknown, peakRssBytes: number): void {
  const file: ResultFile = { result: result ?? null, peakRssBytes };
  writeJson(layout.result, file);
}

export const writeError = (layout: Layout, outcome: Outcome): void => writeJson(layout.error, outcome);

/** undefined where the process left nothing. */
export function readOutcome(layout: Layout): Outcome | undefined {
  const done = readJson<ResultFile>(layout.result);
  if (done !== undefined) return { state: 'SUCCEEDED', peakRssBytes: done.peakRssBytes };
  return readJson<Outcome>(layout.error);
}

export const readResult = (layout: Layout): unknown => readJson<ResultFile>(layout.result)?.result;

/** Before another attempt. */
export const clearError = (layout: Layout): void => rmSync(layout.error, { force: true });

/** Before a resume: what was asked of an earlier attempt is done. */
export const clearStop = (layout: Layout): void => rmSync(layout.stop, { force: true });

/** Peaks are the largest of all attempts, time is their sum. */
export function addUsage(layout: Layout, attempt: Usage): Usage {
  const before = readJson<Usage>(layout.usage);
  const usage: Usage = {
    peakRssBytes: Math.max(before?.peakRssBytes ?? 0, attempt.peakRssBytes),
    peakRssAnonBytes: Math.max(before?.peakRssAnonBytes ?? 0, attempt.peakRssAnonBytes),
    wallMs: Math.round((before?.wallMs ?? 0) + attempt.wallMs),
  };
  writeJson(layout.usage, usage);
  return usage;
}
