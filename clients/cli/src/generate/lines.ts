/** Lines of standard input as they come: one by one, or all that are there. */
import { createInterface, type Interface } from 'node:readline';
import type { CommandContext } from '../context.ts';

export class Lines implements Disposable {
  readonly #interface: Interface;
  readonly #waiting: string[] = [];
  #over = false;
  #wake = (): void => {};
  readonly #notify = (): void => this.#wake();
  readonly #signal: AbortSignal;

  /** On a terminal with editing, and what is typed after `prompt`. */
  constructor({ stdin, stderr, signal }: Pick<CommandContext, 'stdin' | 'stderr' | 'signal'>, prompt = '') {
    const terminal = stdin.isTTY === true && stderr.isTTY === true;
    this.#interface = createInterface({
      input: stdin,
      ...(terminal && { output: stderr }),
      terminal,
      prompt,
    });
    this.#interface.on('line', (line) => {
      this.#waiting.push(line);
      this.#wake();
    });
    this.#interface.on('close', () => {
      this.#over = true;
      this.#wake();
    });
    // A terminal with editing keeps Ctrl-C for itself.
    this.#interface.on('SIGINT', () => process.emit('SIGINT'));
    this.#signal = signal;
    signal.addEventListener('abort', this.#notify);
  }

  /** The next line, after the prompt where somebody types; undefined at the end. */
  async next(): Promise<string | undefined> {
    if (this.#interface.terminal && !this.#over) this.#interface.prompt();
    return (await this.take(1))[0];
  }

  /** At least one line, and those that came with it; none at the end. Throws where the signal aborts. */
  async take(most: number): Promise<string[]> {
    while (this.#waiting.length === 0 && !this.#over && !this.#signal.aborted)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#signal.throwIfAborted();
    if (most > 1) await new Promise((resolve) => setTimeout(resolve, togetherMs));
    return this.#waiting.splice(0, most);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#notify);
    this.#interface.close();
  }
}

/** Lines that come within so long of each other are computed together. */
const togetherMs = 50;
