/** What a service may see of its operations while they run: for metrics, logs and traces, of which this library knows nothing. */
import type { EmlocError } from '@emloc/errors';
import type { OperationState, Usage } from '../types.ts';

/** One attempt at an operation, about to be made by this process. */
export interface AttemptRun {
  readonly id: string;
  readonly kind: string;
  /** From 1: an attempt above it goes on from the checkpoint of the one before. */
  readonly attempt: number;
  /** As the operation was started with. */
  readonly traceparent: string | undefined;
  /** Since when it waited here for its turn. */
  readonly queuedAt: Date;
  /** The attempt before, where its owner died with it and wrote no end down. */
  readonly lost: LostAttempt | undefined;
}

export interface LostAttempt {
  readonly attempt: number;
  readonly startedAt: Date;
  /** When it was last heard of. */
  readonly lastSeenAt: Date;
}

export interface AttemptEnd {
  /** QUEUED: it is tried again. LOST: another replica has it. */
  readonly state: OperationState | 'LOST';
  readonly usage?: Usage;
  readonly error?: EmlocError;
}

export interface OperationObserver {
  /**
   * Around each attempt, until its end is written down; must await `work` and give what it gave. The process continues the
   * traceparent that `work` is called with.
   */
  readonly around?: (
    run: AttemptRun,
    work: (traceparent: string | undefined) => Promise<AttemptEnd>,
  ) => Promise<AttemptEnd>;
  /** What the process emitted, within `sampleMs`. */
  readonly event?: (run: AttemptRun, event: object) => void;
  /** What the process reported, as it comes: nobody keeps it. Before the end that `around` sees. */
  readonly report?: (run: AttemptRun, what: object) => void;
}

/** How many operations of a kind wait or run here. */
export interface OperationCount {
  readonly kind: string;
  readonly queued: number;
  readonly running: number;
}
