/** The log of one job: what it did, what services wrote about it, and what the processes of its operations printed. */
import { resumeStream } from '@emloc/mesh';
import { layoutOf } from '@emloc/operations';
import { hasStopped } from '../jobs/follow-job.ts';
import type { FineTuneJobClient, JobStage } from '../wire/job.ts';
import { jobLine, type LogLine } from './log-line.ts';
import { LogSource, serviceSources } from './source.ts';

export interface JobLogOptions {
  readonly jobs: FineTuneJobClient;
  readonly id: string;
  /** Those of a mesh on this machine; of one elsewhere there are only the job's events. */
  readonly files: LogFiles | undefined;
}

interface LogFiles {
  readonly logs: string;
  readonly stateDir: string;
  /** Of this service alone, and of its operations. */
  readonly service: string | undefined;
}

export class JobLog {
  readonly #options: JobLogOptions;
  readonly #services: readonly LogSource[];
  readonly #processes = new Map<string, LogSource>();
  #cursor = 0;

  constructor(options: JobLogOptions) {
    this.#options = options;
    const { files } = options;
    this.#services = files === undefined ? [] : serviceSources(files.logs, files.service);
  }

  /** What came since the last call, and whether the job goes on. */
  async read(): Promise<{ readonly lines: LogLine[]; readonly goesOn: boolean }> {
    const { jobs, id } = this.#options;
    const { status } = (await jobs.getFineTuneJob({ id })).job;
    for (const stage of status.stages) this.#addProcess(stage);
    const events = await this.#eventsUpTo(status.cursor);
    const files = [
      ...this.#services.flatMap((source) => source.read()).filter((line) => this.#isAbout(line)),
      ...[...this.#processes.values()].flatMap((source) => source.read()),
    ];
    return { lines: [...events, ...files], goesOn: !hasStopped(status.state) };
  }

  #addProcess({ operationId, service }: JobStage): void {
    const { files } = this.#options;
    if (files === undefined || operationId === '' || this.#processes.has(operationId)) return;
    if (files.service !== undefined && service !== files.service) return;
    const { log } = layoutOf(files.stateDir, operationId);
    this.#processes.set(operationId, new LogSource(log, operationId, 'process'));
  }

  /** It holds the job's id or an operation's as a value. */
  #isAbout({ object }: LogLine): boolean {
    const written = JSON.stringify(object);
    return [this.#options.id, ...this.#processes.keys()].some((id) => written.includes(JSON.stringify(id)));
  }

  async #eventsUpTo(last: number): Promise<LogLine[]> {
    const { jobs, id } = this.#options;
    const lines: LogLine[] = [];
    if (this.#cursor >= last) return lines;
    const stop = new AbortController();
    const events = resumeStream({
      open: (cursor, stopped) => jobs.watchFineTuneJob({ id, afterCursor: cursor }, { signal: stopped }),
      cursorOf: ({ event }) => event.cursor,
      from: this.#cursor,
      signal: stop.signal,
    });
    for await (const { event } of events) {
      const line = jobLine(id, event);
      if (line !== undefined) lines.push(line);
      this.#cursor = event.cursor;
      if (event.cursor >= last) break;
    }
    stop.abort();
    return lines;
  }
}
