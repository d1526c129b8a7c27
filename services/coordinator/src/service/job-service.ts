/** emloc.coordinator.v1.FineTuneJobService: messages in, calls on the jobs, messages out. */
import { EmlocError } from '@emloc/errors';
import type { CallContext, ServiceEntry } from '@emloc/mesh';
import { Fields, parseFilter, readPage, type FilterFields } from '@emloc/service-kit';
import type { FineTuneJobs, JobWithStatus } from '../jobs/fine-tune-jobs.ts';
import { endedStates, jobStates } from '../jobs/job.ts';
import { readJobId, readSpec } from './read-spec.ts';
import { eventToProto, jobToProto } from './to-proto.ts';

const states = Object.fromEntries(jobStates.map((state) => [`JOB_STATE_${state}`, state]));

/** What jobs may be filtered by. */
const filterFields: FilterFields<JobWithStatus> = {
  id: { type: 'text', of: ({ job }) => job.id },
  state: {
    type: 'choice',
    values: jobStates,
    prefix: 'JOB_STATE_',
    of: ({ status }) => status.state,
  },
  create_time: { type: 'time', of: ({ job }) => job.createdAt },
  update_time: { type: 'time', of: ({ job, status }) => status.updatedAt ?? job.createdAt },
};

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
      async listFineTuneJobs(request: object) {
        const state = new Fields(request).choice('state', states);
        const page = readPage(request, state);
        const matches = parseFilter(page.filter, filterFields);
        const found = await jobs.list({
          pageSize: page.pageSize,
          pageToken: page.pageToken,
          where: (job) => (state === undefined || job.status.state === state) && matches(job),
        });
        const shown = found.jobs.map(({ job, status }) => jobToProto(job, status));
        return { jobs: shown, nextPageToken: page.next(found.nextPageToken) };
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
