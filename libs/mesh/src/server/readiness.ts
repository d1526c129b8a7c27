/** Looks again and again whether a service can work, and says so by its health: who calls it then goes elsewhere. */
import { EmlocError } from '@emloc/errors';
import type { Logger } from '../config/logger.ts';
import { readinessEveryMs, readinessTimeoutMs } from '../limits.ts';

export interface Readiness {
  stop(): void;
}

/** The first look is taken now; a look that does not come back in time (a store that hangs) counts as failed. */
export function watchReadiness(
  check: () => Promise<void>,
  setReady: (ready: boolean) => void,
  logger: Logger,
  everyMs = readinessEveryMs,
): Readiness {
  let ready = true;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const tell = (error: unknown): void => {
    if (stopped || ready === (error === undefined)) return;
    ready = error === undefined;
    setReady(ready);
    if (ready) logger.info('ready again');
    else logger.warn({ err: error }, `not ready: ${EmlocError.from(error).describe()}`);
  };
  const look = async (): Promise<void> => {
    await within(check(), readinessTimeoutMs).then(
      () => tell(undefined),
      (error: unknown) => tell(error ?? new Error('the check failed')),
    );
    if (!stopped) timer = setTimeout(() => void look(), everyMs).unref();
  };
  void look();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new EmlocError('DEADLINE_EXCEEDED', 'CHECK_TOO_SLOW', `no answer within ${ms} ms`);
    timer = setTimeout(() => reject(error), ms).unref();
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
