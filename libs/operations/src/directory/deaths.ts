/**
 * Deaths by signal since the last checkpoint, and whether an operation whose process was killed is tried again. What was
 * killed from outside (the kernel short of memory, an operator, a container that was stopped) may well go through the
 * next time; what ends by itself would end the same way again. Why: docs/decisions/0408-killed-work-is-tried-again.md.
 */
import { rmSync } from 'node:fs';
import type { ErrorJson } from '../error-json.ts';
import { readJson, writeJson } from '../files.ts';
import { maxFaultedAttempts, maxKilledAttempts } from '../limits.ts';
import type { Layout } from './layout.ts';

interface Deaths {
  readonly signals: readonly string[];
}

/** Signals from outside, and those of a fault; any other is a crash of the work's own. */
const killing: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT']);
const faulting: ReadonlySet<string> = new Set(['SIGBUS', 'SIGSEGV']);

/** By a new checkpoint, or by a user who resumes. */
export const clearDeaths = (layout: Layout): void => rmSync(layout.deaths, { force: true });

type End = Pick<ErrorJson, 'reason' | 'metadata'>;

/** The signal that ended a process. None for what passed its memory limit: we ended it, and it would pass it again. */
const signalOf = ({ reason, metadata }: End): string =>
  reason === 'MEMORY_LIMIT_EXCEEDED' ? '' : (metadata?.['signal'] ?? '');

/** Whether a process was ended by a signal from outside, as the error of its end says. */
export const wasKilled = (error: End): boolean => killing.has(signalOf(error));

/**
 * Counts a death. `error` is the operation's own, or that of the process that fed it (compression's calibration): the
 * signal comes with it.
 */
export function deservesAnotherTry(layout: Layout, error: ErrorJson): boolean {
  const signal = signalOf(error);
  const isKilled = wasKilled(error);
  if (!isKilled && !faulting.has(signal)) return false;
  const signals = [...(readJson<Deaths>(layout.deaths)?.signals ?? []), signal];
  writeJson(layout.deaths, { signals } satisfies Deaths);
  return signals.length < (isKilled ? maxKilledAttempts : maxFaultedAttempts);
}
