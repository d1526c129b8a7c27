/** Fine-tuning jobs as a test sees them. */
import { fromStatusMessage, type StatusMessage } from '@emloc/mesh';
import type { Methods } from './operations.ts';
import type { TestMesh } from './test-mesh.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- messages as proto-loader gives them; the contract is what is tested */
export interface JobMessage {
  readonly id: string;
  readonly status: {
    readonly state: string;
    readonly stages: readonly {
      readonly name: string;
      readonly state: string;
      readonly [field: string]: any;
    }[];
    readonly cursor: number;
    readonly result: Record<string, any> | null;
    readonly error: StatusMessage | null;
  };
}

export interface JobEvent {
  readonly cursor: number;
  readonly event: 'stateChanged' | 'stageChanged' | 'stageEvent';
  readonly stateChanged?: { readonly state: string };
  readonly stageChanged?: { readonly name: string; readonly state: string };
  readonly stageEvent?: { readonly stage: string; readonly event: Record<string, any> };
}
/* eslint-enable */

export class JobClient {
  readonly call: Methods;

  constructor(mesh: Pick<TestMesh, 'client'>) {
    this.call = mesh.client<Methods>('coordinator', 'emloc.coordinator.v1', 'FineTuneJobService').call;
  }

  async create(id: string, spec: object): Promise<JobMessage> {
    return (await this.call['createFineTuneJob']!({ id, spec })).job;
  }

  async get(id: string): Promise<JobMessage> {
    return (await this.call['getFineTuneJob']!({ id })).job;
  }

  /** Events after a cursor; ends with the one that ends the job, when `until` holds, or with the connection. */
  async events(
    id: string,
    after = 0,
    until: (event: JobEvent) => boolean = () => false,
  ): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const { event } of this.call['watchFineTuneJob']!({ id, afterCursor: after })) {
      events.push(event);
      if (until(event)) break;
    }
    return events;
  }

  async wait(id: string): Promise<JobMessage> {
    await this.events(id);
    return this.get(id);
  }
}

export const errorOf = (job: JobMessage): unknown =>
  job.status.error === null ? undefined : fromStatusMessage(job.status.error);

/** A step of a stage's training. */
export const trainsIn =
  (stage: string) =>
  (event: JobEvent): boolean =>
    event.stageEvent?.stage === stage && event.stageEvent.event['event'] === 'trainingStep';

/** That step, or one after it. */
export const stepOf =
  (stage: string, step: number) =>
  (event: JobEvent): boolean =>
    trainsIn(stage)(event) && event.stageEvent!.event['trainingStep'].step >= step;
