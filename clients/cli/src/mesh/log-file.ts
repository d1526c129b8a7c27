/** The log of a service of the local mesh. What cannot be written is lost: a full disk must not end the mesh. */
import { closeSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';

const oldLogBytes = 10_000_000;
const lastLines = 8;

export class LogFile {
  readonly path: string;
  #file: number | undefined;

  /** One that has grown long is put aside as `….1`. */
  constructor(path: string) {
    this.path = path;
    putAside(path);
    try {
      this.#file = openSync(path, 'a', 0o600);
    } catch {
      // Nothing is kept, then.
    }
  }

  write(text: string | Buffer): void {
    if (this.#file === undefined) return;
    try {
      if (typeof text === 'string') writeSync(this.#file, text);
      else writeSync(this.#file, text);
    } catch {
      // No space; the next line may fit again.
    }
  }

  /** The last lines; of those that are JSON, what they say. */
  lastWords(): string {
    try {
      const lines = readFileSync(this.path, 'utf8').trim().split('\n').slice(-lastLines);
      return lines.map(said).join('\n');
    } catch {
      return '';
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function said(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

function putAside(path: string): void {
  try {
    if (statSync(path).size > oldLogBytes) renameSync(path, `${path}.1`);
  } catch {
    // No log yet.
  }
}
