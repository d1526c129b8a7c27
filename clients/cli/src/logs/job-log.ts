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
  readonly logs: string;
  readonly stateDir: string;
  /** Files of this service alone, and of its operations. */
  readonly service?: string;
}

export class JobLog {
  readonly #options: JobLogOptions;
  readonly #services: readonly LogSource[];
  readonly #processes = new Map<string, LogSource>();
  #cursor = 0;

  constructor(options: JobLogOptions) {
    this.#options = options;
    this.#services = serviceSources(options.logs, options.service);
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
    const { stateDir, service: only } = this.#options;
    if (operationId === '' || (only !== undefined && service !== only)) return;
    if (this.#processes.has(operationId)) return;
    const { log } = layoutOf(stateDir, operationId);
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
