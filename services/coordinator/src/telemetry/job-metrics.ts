/** The metrics of jobs and their stages; docs/observability.md lists them. */
import { histogram, observe } from '@emloc/mesh';
import type { JobStore } from '../jobs/job-store.ts';
import type { JobState, Stage } from '../jobs/job.ts';

/** From a job whose stages are all in the store to days. */
const buckets = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400, 259_200];

const jobs = histogram('emloc.job.duration', {
  unit: 's',
  description: 'Duration of runs of jobs, from their turn to their end, by how they ended.',
  buckets,
});
const waits = histogram('emloc.job.queue.duration', {
  unit: 's',
  description: 'Time that jobs waited for their turn.',
  buckets,
});
const stages = histogram('emloc.stage.duration', {
  unit: 's',
  description: 'Duration of stages of jobs, by how they ended.',
  buckets,
});

export const countJobWait = (seconds: number): void => waits.record(seconds);

export const countJob = (state: JobState, seconds: number): void =>
  jobs.record(seconds, { 'emloc.job.state': state });

export function countStage({ name, state, startedAt, endedAt }: Stage): void {
  if (startedAt === undefined || endedAt === undefined) return;
  const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  stages.record(seconds, { 'emloc.stage': name, 'emloc.stage.state': state });
}

/** From the database: every replica tells the same, so that a query takes the largest and no sum. */
export function observeJobs(store: JobStore): void {
  observe(
    'emloc.job.queue.length',
    { unit: '{job}', description: 'Jobs of the whole mesh that wait for their turn.' },
    async () => [{ value: (await store.counts()).queued }],
  );
  observe(
    'emloc.job.running',
    { unit: '{job}', description: 'Jobs of the whole mesh that run.' },
    async () => [{ value: (await store.counts()).running }],
  );
}
