/** Every limit of long work, in one place, each with its reason. */

/** Operations of one service share all cores and the memory budget: one at a time unless told. */
export const defaultMaxConcurrent = 1;

/** Waiting operations cost a directory each; more than this is a client that does not look at the answers. */
export const defaultMaxQueued = 16;

/** A dead owner's work is taken over after this; heartbeats come four times as often, so three may be lost. */
export const defaultLeaseMs = 10_000;

/** From a cancel to SIGTERM: a layer of a large model takes seconds, and a checkpoint has to be written. */
export const defaultCancelGraceMs = 10_000;

/** From SIGTERM to SIGKILL. */
export const killAfterMs = 2_000;

/** So long an end waits for the channel between a process and its service to be empty. */
export const reportGraceMs = 1_000;

/**
 * Attempts at an operation that is killed again and again without a new checkpoint: a neighbour's peak of memory passes,
 * but what needs more memory than there is would be killed for ever.
 */
export const maxKilledAttempts = 3;

/** The same where the process died of a bus error or a segmentation fault: twice at one place is no accident. */
export const maxFaultedAttempts = 2;

/** How often an owner samples the memory of a process: what a layer allocates lives longer than this. */
export const sampleMs = 100;

/** How often a watch looks for new lines, and an owner for `stop.json`. */
export const pollMs = 100;

/** How often a worker's watchdog looks for its parent and its lease. */
export const watchdogMs = 500;

/** An event is a progress line, not a place for data. */
export const maxEventBytes = 64 * 1024;

/** Tensors travel in messages of 1 MiB; a frame beyond this is a broken stream, not a message. */
export const maxFrameBytes = 16 * 1024 * 1024;

/** Small calls that may wait for the one warm process. */
export const defaultMaxWaitingCalls = 64;

/** A warm process holds the runtime (some 300 MB): it goes when nobody called for so long. */
export const defaultIdleMs = 60_000;

/** So much of a dead process's log goes into its error. */
export const logTailBytes = 2_000;

export const defaultPageSize = 50;
export const maxPageSize = 500;
