/** Word to the service, over IPC, of what is not written down: it reaches the service also if the process is killed next. */
import { reportGraceMs } from '../limits.ts';

/** Over IPC, from the process to its service. */
export interface ReportMessage {
  readonly report: object;
}

export const isReport = (message: unknown): message is ReportMessage =>
  typeof message === 'object' && message !== null && 'report' in message;

const underWay = new Set<Promise<void>>();

/** Leaves at once, also while a native call blocks this thread next; JSON. */
export function report(what: object): void {
  if (process.send === undefined || !process.connected) return;
  const message: ReportMessage = { report: what };
  const sent = new Promise<void>((resolve) => process.send?.(message, undefined, {}, () => resolve()));
  underWay.add(sent);
  void sent.then(() => underWay.delete(sent));
}

/** Before the process ends by itself: a service that is late has a moment to take what waits. */
export async function reported(): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, reportGraceMs).unref());
  await Promise.race([Promise.all(underWay), late]);
}
