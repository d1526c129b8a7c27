/**
 * Where words go: numbers to stdout (a table, or with `--json` one object), everything else to stderr. Colours and
 * redrawn lines only where a terminal reads them.
 */
import { EmlocError } from '@emloc/errors';
import { colours } from './colours.ts';
import { Progress, type Panel, type ProgressUpdate } from './progress.ts';

export type ErrorStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

export interface Streams {
  /** Default: the process's own. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: ErrorStream;
}

export interface OutputSettings {
  readonly json: boolean;
  readonly streams: Streams;
  readonly environment: NodeJS.ProcessEnv;
}

export class Output {
  readonly json: boolean;
  readonly #streams: Streams;
  readonly #colour: boolean;
  readonly #resultColour: boolean;
  #progress: Progress | undefined;
  #panel: Panel | undefined;

  constructor({ json, streams, environment }: OutputSettings) {
    this.json = json;
    this.#streams = streams;
    this.#colour = colours(streams.stderr, environment);
    this.#resultColour = colours(streams.stdout, environment);
  }

  /** The result: `data` whole as JSON, or the text made of it. Called once a command. */
  result(data: object, text: () => string): void {
    this.endProgress();
    this.#streams.stdout.write(this.json ? `${JSON.stringify(data, null, 2)}\n` : `${text()}\n`);
  }

  /** One JSON line or one text line of a stream of results (`jobs watch`). */
  resultLine(data: object, text: () => string): void {
    this.#clearProgress();
    this.#streams.stdout.write(this.json ? `${JSON.stringify(data)}\n` : `${text()}\n`);
  }

  /** A piece of a result that is a text, as it is made. */
  text(piece: string): void {
    if (piece === '') return;
    this.#clearProgress();
    this.#streams.stdout.write(piece);
  }

  /** A part of the result that stands out: coloured on a terminal, in brackets elsewhere. */
  highlight(text: string): string {
    return this.#resultColour ? `\u001b[32m${text}\u001b[0m` : `⟦${text}⟧`;
  }

  /** A part of the result in a colour (ANSI code), where a terminal reads it; undefined: as it is. */
  tint(code: number | undefined, text: string): string {
    return this.#resultColour && code !== undefined ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  /** Something worth knowing. */
  note(message: string): void {
    this.#clearProgress();
    this.#streams.stderr.write(`${message}\n`);
  }

  warn(message: string): void {
    this.note(`${this.#paint('33', 'warning')}: ${message}`);
  }

  /** What is being done, how far it is: redrawn on a terminal, a plain line now and then elsewhere. */
  progress(update: ProgressUpdate): void {
    this.#progress ??= new Progress(this.#streams.stderr, undefined, this.#panel);
    this.#progress.update(update);
  }

  /** What a terminal shows above the progress from now on. */
  panel(panel: Panel): void {
    this.endProgress();
    this.#panel = panel;
  }

  endProgress(): void {
    this.#progress?.end();
    this.#progress = undefined;
  }

  /** `error: field: message (mend)`, or with `--json` an object on stderr. */
  error(thrown: unknown): void {
    this.endProgress();
    const error = EmlocError.from(thrown);
    const text = this.json
      ? JSON.stringify({ error: errorObject(error) })
      : `${this.#paint('31', 'error')}: ${error.describe()}`;
    this.#streams.stderr.write(`${text}\n`);
  }

  #clearProgress(): void {
    this.#progress?.clear();
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

/** An error as machines read it; absent parts are left out. */
export function errorObject(error: EmlocError): Record<string, unknown> {
  return {
    code: error.code,
    reason: error.reason,
    message: error.message,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.value === undefined ? {} : { value: error.value }),
    ...(error.mend === undefined ? {} : { mend: error.mend }),
    ...(Object.keys(error.metadata).length === 0 ? {} : { metadata: error.metadata }),
  };
}
