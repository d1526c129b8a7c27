/** A log file and whose words it holds. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { serviceNames } from '../mesh/services.ts';
import { printedLine, serviceLine, type LogLine } from './log-line.ts';
import { Tail } from './tail.ts';

export class LogSource {
  readonly path: string;
  readonly #name: string;
  readonly #kind: 'service' | 'process';
  readonly #tail: Tail;
  #timeMs = 0;

  constructor(path: string, name: string, kind: 'service' | 'process') {
    this.path = path;
    this.#name = name;
    this.#kind = kind;
    this.#tail = new Tail(path);
  }

  /** What came since the last call. */
  read(): LogLine[] {
    const lines = this.#tail.read();
    // A process prints no times; its file says when it did so last.
    if (this.#kind === 'process' && lines.length > 0) this.#timeMs = statSync(this.path).mtimeMs;
    return lines.flatMap((line) => {
      if (this.#kind === 'process') return printedLine(this.#name, line, this.#timeMs);
      const read = serviceLine(this.#name, line, this.#timeMs);
      this.#timeMs = read?.timeMs ?? this.#timeMs;
      return read ?? [];
    });
  }
}

/** Those of the services and of the process that keeps them, or of one of them. */
export const serviceSources = (folder: string, only?: string): readonly LogSource[] =>
  [...serviceNames, 'mesh']
    .filter((name) => only === undefined || name === only)
    .map((name) => new LogSource(join(folder, `${name}.log`), name, 'service'));
