/** emloc.coordinator.v1.FineTuneJobService: messages in, calls on the jobs, messages out. */
import { EmlocError } from '@emloc/errors';
import type { CallContext, ServiceEntry } from '@emloc/mesh';
import { Fields } from '@emloc/service-kit';
import type { FineTuneJobs } from '../jobs/fine-tune-jobs.ts';
import { endedStates } from '../jobs/job.ts';
import { readJobId, readSpec } from './read-spec.ts';
import { eventToProto, fromProtoState, jobToProto } from './to-proto.ts';

export function jobService(jobs: FineTuneJobs): ServiceEntry {
  const show = async (id: string): Promise<object> => {
    const { job, status } = await jobs.get(id);
    return { job: jobToProto(job, status) };
  };
  const act = async (request: object, action: (id: string) => Promise<void>): Promise<object> => {
    const id = readJobId(new Fields(request));
    await action(id);
    return show(id);
  };
  return {
    package: 'emloc.coordinator.v1',
    service: 'FineTuneJobService',
    implementation: {
      async createFineTuneJob(request: { spec: object }) {
        const fields = new Fields(request);
        const id = readJobId(fields);
        await jobs.create(id, readSpec(fields.required('spec'), request.spec));
        return show(id);
      },
      getFineTuneJob: (request: object) => show(readJobId(new Fields(request))),
      async listFineTuneJobs(request: { state: string }) {
        const fields = new Fields(request);
        const page = await jobs.list({
          pageSize: fields.integer('pageSize', { min: 1, max: 500 }) ?? 50,
          pageToken: fields.text('pageToken'),
          state: fromProtoState(request.state),
        });
        const shown = page.jobs.map(({ job, status }) => jobToProto(job, status));
        return { jobs: shown, nextPageToken: page.nextPageToken };
      },
      async *watchFineTuneJob(request: object, call: CallContext) {
        const fields = new Fields(request);
        const id = readJobId(fields);
        const after = fields.integer('afterCursor', { min: 0 }) ?? 0;
        const signal = AbortSignal.any([call.signal, call.draining]);
        for await (const event of jobs.watch(id, after, signal)) yield { event: eventToProto(event) };
        // A stream that ends without the event that ends the job must not look complete.
        if (call.draining.aborted && !endedStates.has((await jobs.get(id)).status.state)) throw draining();
      },
      pauseFineTuneJob: (request: object) => act(request, (id) => jobs.stop(id, 'PAUSE')),
      cancelFineTuneJob: (request: object) => act(request, (id) => jobs.stop(id, 'CANCEL')),
      resumeFineTuneJob: (request: object) => act(request, (id) => jobs.resume(id)),
      async deleteFineTuneJob(request: object) {
        await jobs.delete(readJobId(new Fields(request)));
        return {};
      },
    },
  };
}

const draining = (): EmlocError =>
  new EmlocError('UNAVAILABLE', 'SERVICE_STOPPING', 'the coordinator is stopping', {
    mend: 'watch again after the last cursor',
  });
