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

/** Attempts that each signal is allowed; a signal that is not named here is a crash of the work's own. */
const allowed: Readonly<Record<string, number>> = {
  SIGKILL: maxKilledAttempts,
  SIGTERM: maxKilledAttempts,
  SIGHUP: maxKilledAttempts,
  SIGINT: maxKilledAttempts,
  SIGBUS: maxFaultedAttempts,
  SIGSEGV: maxFaultedAttempts,
};

/** By a new checkpoint, or by a user who resumes. */
export const clearDeaths = (layout: Layout): void => rmSync(layout.deaths, { force: true });

/** Whether a process was ended by a signal from outside, as the error of its end says. */
export const wasKilled = ({ reason, metadata }: Pick<ErrorJson, 'reason' | 'metadata'>): boolean =>
  attemptsAfter(reason, metadata?.['signal']) === maxKilledAttempts;

/**
 * Counts a death. `error` is the operation's own, or that of the process that fed it (compression's calibration): the
 * signal comes with it. What passed its memory limit was ended by us, and would pass it again.
 */
export function deservesAnotherTry(layout: Layout, { reason, metadata }: ErrorJson): boolean {
  const signal = metadata?.['signal'];
  const attempts = attemptsAfter(reason, signal);
  if (signal === undefined || attempts === undefined) return false;
  const signals = [...(readJson<Deaths>(layout.deaths)?.signals ?? []), signal];
  writeJson(layout.deaths, { signals } satisfies Deaths);
  return signals.length < attempts;
}

const attemptsAfter = (reason: string, signal = ''): number | undefined =>
  reason === 'MEMORY_LIMIT_EXCEEDED' || !Object.hasOwn(allowed, signal) ? undefined : allowed[signal];
