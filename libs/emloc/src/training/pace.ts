/** How long what remains will take: from a moving average of the steps, so that a slow start does not linger. */
export class Pace {
  readonly #totalSteps: number;
  #average: number | undefined;

  constructor(totalSteps: number) {
    this.#totalSteps = totalSteps;
  }

  add(step: number, seconds: number): { seconds: number; remainingSeconds: number } {
    this.#average = this.#average === undefined ? seconds : 0.8 * this.#average + 0.2 * seconds;
    return { seconds, remainingSeconds: this.#average * (this.#totalSteps - step - 1) };
  }
}
