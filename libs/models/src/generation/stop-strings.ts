/**
 * Ends a text before the first of some strings, also where one comes in pieces: what may be the beginning of one is
 * held back until it is known.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** Empty strings stop nothing. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** Has one of the strings come? Then nothing more is let through. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** What of the text so far is not yet given and cannot be part of a stop string. */
  push(text: string): string {
    if (this.#stopped) return '';
    const all = this.#held + text;
    const found = this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#stopped = true;
      this.#held = '';
      return all.slice(0, Math.min(...found));
    }
    const free = all.length - Math.max(0, ...this.#stops.map((stop) => overlap(all, stop)));
    this.#held = all.slice(free);
    return all.slice(0, free);
  }

  /** What was held back, now that nothing comes after it. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** Length of the longest end of `text` that `stop` begins with, `stop` itself left out. */
const overlap = (text: string, stop: string): number => {
  let length = Math.min(text.length, stop.length - 1);
  while (!text.endsWith(stop.slice(0, length))) length--;
  return length;
};
