/** A run of one job: its stages as durable steps, its log, and what ends it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactStore } from '@emloc/artifacts';
import { withSpan } from '@emloc/mesh';
import { errorFromJson } from '@emloc/operations';
import type { ArtifactReference, MemoryPrediction, OperationResult, ResourceUsage } from '@emloc/service-kit';
import type { JobEvents } from '../jobs/job-events.ts';
import { foldStatus } from '../jobs/job-status.ts';
import type { Job, Stage, StageName } from '../jobs/job.ts';
import type { TrainingOutlook } from '../stages/plan.ts';
import { fieldsOf, type SpecFields } from '../stages/spec.ts';
import type { Outcome } from '../stages/operation-outcome.ts';
import type { StageRunner } from '../stages/stage-runner.ts';
import { countStage } from '../telemetry/job-metrics.ts';
import type { JobRun, OperationOrder } from './fine-tune.ts';
import { makeReport, type ReportInput } from './report.ts';
import { joinLogs, type StageLog } from './stage-logs.ts';

/** A step that is done once: after a restart it gives what it gave before. */
export type DurableStep = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Thrown to leave the workflow where its job is to pause or end. */
export class JobStopped extends Error {
  readonly as: 'PAUSED' | 'CANCELLED';
  constructor(as: 'PAUSED' | 'CANCELLED') {
    super(`the job was ${as.toLowerCase()}`);
    this.as = as;
  }
}

export interface RunDependencies {
  readonly events: JobEvents;
  readonly runner: StageRunner;
  readonly artifacts: ArtifactStore;
  readonly version: string;
  /** Aborts when the coordinator stops: what is under way is left to the next one. */
  readonly closing: AbortSignal;
}

export class DurableJobRun implements JobRun {
  readonly spec: SpecFields;
  readonly #job: Job;
  readonly #step: DurableStep;
  readonly #with: RunDependencies;

  constructor(job: Job, step: DurableStep, dependencies: RunDependencies) {
    this.spec = fieldsOf(job.spec);
    this.#job = job;
    this.#step = step;
    this.#with = dependencies;
  }

  async plan(request: object): Promise<TrainingOutlook> {
    const outcome = await this.#step('plan', () =>
      this.#unlessClosing(this.#with.runner.plan(this.#job, request, this.#with.closing)),
    );
    return resultOf(outcome);
  }

  async operate(stage: StageName, order: OperationOrder): Promise<OperationResult> {
    const { name, service, rpc, request } = order;
    const operationId = [this.#job.id, stage, ...(name === undefined ? [] : [name])].join('-');
    const task = { stage, service, rpc, request, operationId };
    const run = (): Promise<Outcome<OperationResult>> =>
      this.#with.runner.run(this.#job, task, this.#with.closing);
    return resultOf(await this.#step(operationId, () => this.#unlessClosing(run())));
  }

  async finish(name: StageName, results: readonly OperationResult[], note?: string): Promise<void> {
    await this.#change({
      ...(await this.#stage(name)),
      name,
      state: 'SUCCEEDED',
      endedAt: new Date().toISOString(),
      prediction: largest(results.map(({ prediction }) => prediction)),
      usage: largest(results.map(({ usage }) => usage)),
      fromStore: results.length > 0 && results.every(({ fromStore }) => fromStore),
      note,
    });
  }

  async skip(name: StageName, why: string): Promise<void> {
    await this.#change({ name, state: 'SKIPPED', note: why });
  }

  async announce(name: StageName, totalSteps: number): Promise<void> {
    await this.#change({ name, state: 'QUEUED', progress: { stage: name, step: 0, totalSteps } });
  }

  async report(input: ReportInput): Promise<ArtifactReference> {
    const reference = await this.#traced('report', async () => {
      const { stages } = foldStatus(await this.#with.events.latest(this.#job.id));
      const report = makeReport(this.#job, this.#with.version, stages, input);
      return putFile(this.#with.artifacts, 'report.json', `${JSON.stringify(report, undefined, 2)}\n`);
    });
    await this.finish('report', []);
    return reference;
  }

  log(parts: readonly StageLog[]): Promise<ArtifactReference> {
    const { artifacts } = this.#with;
    return this.#traced('log', async () => putFile(artifacts, 'log.jsonl', await joinLogs(parts, artifacts)));
  }

  /** Says of the stage that was under way how the job ended. */
  async endRunningStage(state: 'FAILED' | 'PAUSED' | 'CANCELLED'): Promise<void> {
    const { stages } = foldStatus(await this.#with.events.latest(this.#job.id));
    const running = stages.find((stage) => stage.state === 'RUNNING');
    if (running !== undefined) await this.#change({ ...running, state, endedAt: new Date().toISOString() });
  }

  /** A step of the coordinator's own, which ends in the store. */
  #traced<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#step(name, () => withSpan(`store ${name}`, {}, work));
  }

  async #stage(name: StageName): Promise<Stage | undefined> {
    return foldStatus(await this.#with.events.latest(this.#job.id)).stages.find(
      (stage) => stage.name === name,
    );
  }

  async #change(stage: Stage): Promise<void> {
    const source = `stage/${stage.name}/${stage.state}`;
    const origin = { source, sourceCursor: this.#job.attempt };
    const isNew = await this.#with.events.append(this.#job.id, { stageChanged: stage }, origin);
    if (isNew && stage.endedAt !== undefined) countStage(stage);
  }

  /** A step that is cut off by the coordinator's own end must not be recorded: it never returns. */
  async #unlessClosing<T extends { readonly status: string }>(work: Promise<T>): Promise<T> {
    const outcome = await work;
    if (this.#with.closing.aborted && outcome.status !== 'succeeded') await new Promise(() => {});
    return outcome;
  }
}

function resultOf<T>(outcome: Outcome<T>): T {
  if (outcome.status === 'succeeded') return outcome.result;
  throw outcome.status === 'failed' ? errorFromJson(outcome.error) : new JobStopped(outcome.as);
}

/** That with the largest peak. */
function largest<T extends MemoryPrediction | ResourceUsage>(all: readonly (T | undefined)[]): T | undefined {
  const known = all.filter((each): each is T => each !== undefined);
  return known.sort((a, b) => b.peakResidentBytes - a.peakResidentBytes)[0];
}

async function putFile(artifacts: ArtifactStore, name: string, text: string): Promise<ArtifactReference> {
  const directory = await mkdtemp(join(tmpdir(), 'emloc-job-'));
  try {
    const path = join(directory, name);
    await writeFile(path, text);
    const { digest, path: uri, byteSize } = await artifacts.putFile(path);
    return { digest, uri, byteSize };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
