/**
 * How far work is: one line redrawn in place on a terminal, and above it what the panel shows; elsewhere a plain line at
 * each new stage and about every ten seconds, so that a log stays short.
 */
import { formatBytes, formatNumber, formatSeconds } from './format.ts';

export interface ProgressUpdate {
  readonly stage: string;
  readonly done?: number;
  readonly total?: number;
  /** What `done` counts: steps (default), rows, bytes. */
  readonly unit?: 'steps' | 'layers' | 'rows' | 'bytes' | 'samples';
  readonly loss?: number;
  readonly tokensPerSecond?: number;
  readonly remainingSeconds?: number;
  /** Peak memory of the process that does the work. */
  readonly memoryBytes?: number;
  readonly note?: string;
}

type ErrorStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

const plainLineEveryMs = 10_000;
const redrawEveryMs = 80;
const barWidth = 20;

/** Lines above the progress line of a terminal, asked for anew at each redraw. */
export type Panel = () => readonly string[];

export class Progress {
  readonly #stream: ErrorStream;
  readonly #now: () => number;
  readonly #panel: Panel;
  #stage: string | undefined;
  #lastMs = -Infinity;
  /** What the terminal shows now, to be drawn over. */
  #drawn: readonly string[] = [];
  #pending: ProgressUpdate | undefined;

  constructor(stream: ErrorStream, now: () => number = () => performance.now(), panel: Panel = () => []) {
    this.#stream = stream;
    this.#now = now;
    this.#panel = panel;
  }

  update(update: ProgressUpdate): void {
    const finished = update.total !== undefined && update.done === update.total;
    const newStage = update.stage !== this.#stage;
    if (newStage) this.#flush();
    const everyMs = this.#stream.isTTY ? redrawEveryMs : plainLineEveryMs;
    if (!newStage && !finished && this.#now() - this.#lastMs < everyMs) {
      this.#pending = update;
      return;
    }
    this.#write(update);
    this.#stage = update.stage;
  }

  /** Takes what is redrawn away, so that another line can be written. */
  clear(): void {
    if (this.#drawn.length === 0) return;
    this.#stream.write(this.#erasure());
    this.#drawn = [];
  }

  end(): void {
    this.#flush();
  }

  /** The stage's last word is kept: on a terminal the line stays, and the next stage draws below it. */
  #flush(): void {
    if (!this.#stream.isTTY) {
      this.#pending = undefined;
      return;
    }
    if (this.#pending !== undefined) this.#write(this.#pending);
    const last = this.#drawn.at(-1);
    if (this.#drawn.length > 1) this.#stream.write(`${this.#erasure()}${last}`);
    if (last !== undefined) this.#stream.write('\n');
    this.#drawn = [];
  }

  #write(update: ProgressUpdate): void {
    this.#pending = undefined;
    this.#lastMs = this.#now();
    if (!this.#stream.isTTY) return void this.#stream.write(`${progressText(update, false)}\n`);
    const width = Math.max(20, this.#columns - 1);
    const lines = [...this.#panel(), progressText(update, true)].map((line) => line.slice(0, width));
    this.#stream.write(`${this.#erasure()}${lines.join('\n')}`);
    this.#drawn = lines;
  }

  /** Back to the begin of what is drawn, and all of it gone. A terminal that became narrower has broken its lines. */
  #erasure(): string {
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(line.length / this.#columns)),
      0,
    );
    return rows <= 1 ? '\r\u001b[2K' : `\r\u001b[${rows - 1}A\u001b[J`;
  }

  get #columns(): number {
    // A pseudo-terminal that nobody gave a size says 0.
    return this.#stream.columns || 80;
  }
}

/** `train       [#####---------------]  30/120  loss 1.23  512 tokens/s  1m20s left  410 MB`. */
export function progressText(update: ProgressUpdate, withBar: boolean): string {
  const parts = [update.stage.padEnd(withBar ? 11 : 0)];
  const { done, total } = update;
  const count = (value: number): string => (update.unit === 'bytes' ? formatBytes(value) : String(value));
  const unit = update.unit === undefined || update.unit === 'bytes' ? '' : ` ${update.unit}`;
  if (done !== undefined && total !== undefined && total > 0) {
    if (withBar) parts.push(bar(done / total));
    parts.push(`${count(done)}/${count(total)}${unit}`);
  } else if (done !== undefined) {
    parts.push(`${count(done)}${unit}`);
  }
  if (update.loss !== undefined) parts.push(`loss ${formatNumber(update.loss)}`);
  if (update.tokensPerSecond !== undefined) parts.push(`${Math.round(update.tokensPerSecond)} tokens/s`);
  if (update.remainingSeconds !== undefined) parts.push(`${formatSeconds(update.remainingSeconds)} left`);
  if (update.memoryBytes !== undefined) parts.push(formatBytes(update.memoryBytes));
  if (update.note !== undefined) parts.push(update.note);
  return parts.join('  ').trimEnd();
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}]`;
}
