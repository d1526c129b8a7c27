/** The log of a training: a line a step, kept beside the checkpoint so that a run that goes on has the lines before. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface LogLine {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly grad_norm: number;
  readonly learning_rate: number;
  readonly tokens: number;
}

const lastSteps = 10;

export class TrainingLog {
  readonly path: string;
  readonly #lines: LogLine[];

  /** Lines of steps after `step`, which the checkpoint does not know, are dropped: the steps will be done again. */
  constructor(path: string, step: number) {
    this.path = path;
    this.#lines = step === 0 || !existsSync(path) ? [] : parse(path).filter((line) => line.step <= step);
    writeFileSync(path, this.#lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  add(line: LogLine): void {
    this.#lines.push(line);
    appendFileSync(this.path, `${JSON.stringify(line)}\n`);
  }

  get tokens(): number {
    return this.#lines.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** Mean loss of the last ten steps. */
  get finalLoss(): number {
    const last = this.#lines.slice(-lastSteps);
    return last.reduce((sum, { loss }) => sum + loss, 0) / last.length;
  }
}

/** A crash may have cut the last line off. */
function parse(path: string): LogLine[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text) => {
      try {
        return [JSON.parse(text) as LogLine];
      } catch {
        return [];
      }
    });
}
