/** What the spans of jobs are about: they are begun again under these keys by a coordinator that goes on with a job. */
import type { Job } from '../jobs/job.ts';

/** A run of a job. */
export const runKey = ({ id, attempt }: Pick<Job, 'id' | 'attempt'>): string => `job/${id}/${attempt}`;

/** A stage's operation in a run. */
export const stageKey = (operationId: string, attempt: number): string => `stage/${operationId}/${attempt}`;

/** Those of the runs before, of which the last counts. */
export const continuesRun = (job: Pick<Job, 'id' | 'attempt'>): readonly string[] =>
  job.attempt > 1 ? [runKey({ id: job.id, attempt: job.attempt - 1 })] : [];
