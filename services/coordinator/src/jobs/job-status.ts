/** How far a job is, folded from the latest events of its log. */
import {
  endedStates,
  stageNames,
  type JobEvent,
  type JobResult,
  type JobState,
  type Stage,
  type StoredError,
} from './job.ts';

export interface JobStatus {
  readonly state: JobState;
  readonly stages: readonly Stage[];
  readonly cursor: number;
  readonly updatedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  readonly remainingSeconds: number | undefined;
  readonly result: JobResult | undefined;
  readonly error: StoredError | undefined;
}

export function foldStatus(latest: readonly JobEvent[]): JobStatus {
  const stages = new Map<string, Stage>();
  let state: JobState = 'QUEUED';
  let changedAt: Date | undefined;
  let result: JobResult | undefined;
  let error: StoredError | undefined;
  for (const { body, at } of latest) {
    if ('stateChanged' in body) {
      ({ state, result, error } = { result: undefined, error: undefined, ...body.stateChanged });
      changedAt = at;
    } else if ('stageChanged' in body) {
      stages.set(body.stageChanged.name, { ...stages.get(body.stageChanged.name), ...body.stageChanged });
    } else {
      const { stage, event } = body.stageEvent;
      const known = stages.get(stage) ?? { name: stage, state: 'RUNNING' };
      const { prediction = known.prediction, progress = known.progress } = event;
      stages.set(stage, { ...known, prediction, progress });
    }
  }
  const ended = endedStates.has(state);
  const running = [...stages.values()].find((stage) => stage.state === 'RUNNING');
  return {
    state,
    stages: stageNames.map((name) => stages.get(name) ?? { name, state: 'QUEUED' }),
    cursor: latest.at(-1)?.cursor ?? 0,
    updatedAt: changedAt,
    endedAt: ended ? changedAt : undefined,
    remainingSeconds: ended || running === undefined ? undefined : remaining(running, stages),
    result,
    error,
  };
}

/**
 * An estimate: what the running stage has left and, while the emulator is trained, as long again for each exact step as a
 * step takes now. The stages after them are short beside training.
 */
function remaining(running: Stage, stages: ReadonlyMap<string, Stage>): number | undefined {
  const { progress } = running;
  const left = progress?.remainingSeconds;
  if (left === undefined || progress === undefined) return undefined;
  if (running.name !== 'train') return left;
  const stepsLeft = progress.totalSteps - progress.step;
  const refineSteps = stages.get('refine')?.progress?.totalSteps ?? 0;
  return stepsLeft > 0 ? left * (1 + refineSteps / stepsLeft) : left;
}
