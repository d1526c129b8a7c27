/** When to evaluate, which adapter was best, and when patience has run out. */
import { tensor } from '@emloc/engine';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import type { TrainingOptions } from '../options/training-options.ts';
import type { BestEvaluation, Checkpoint } from './checkpoint.ts';

export class BestKeeper {
  readonly #options: TrainingOptions;
  #best: BestEvaluation | undefined;
  #withoutGain: number;

  constructor(options: TrainingOptions, resume?: Checkpoint) {
    this.#options = options;
    this.#best = resume?.best;
    this.#withoutGain = resume?.evaluationsWithoutGain ?? 0;
  }

  /** Every `eval_steps`, and after the last step, so that the end takes part in the choice. */
  isDue(step: number, totalSteps: number): boolean {
    const { evalSteps } = this.#options;
    return evalSteps > 0 && (step % evalSteps === 0 || step === totalSteps);
  }

  /** `values` is called only where the adapter is the best so far. */
  offer(step: number, loss: number, values: () => Float32Array | Float64Array): boolean {
    const gain = (this.#best?.loss ?? Infinity) - loss;
    // A threshold above 0 counts small gains as none for patience, but the best is the best all the same.
    this.#withoutGain = gain > this.#options.earlyStoppingThreshold ? 0 : this.#withoutGain + 1;
    if (!(gain > 0)) return false;
    this.#best = { step, loss, parameters: values() };
    return true;
  }

  get isPatienceSpent(): boolean {
    const { earlyStoppingPatience } = this.#options;
    return earlyStoppingPatience !== undefined && this.#withoutGain >= earlyStoppingPatience;
  }

  get summary(): { step: number; loss: number } | undefined {
    return this.#best && { step: this.#best.step, loss: this.#best.loss };
  }

  /** Puts the best adapter back; false where the last one is it, or where that is not asked for. */
  restore(adapter: LoraAdapter, lastStep: number): boolean {
    const best = this.#best;
    if (!this.#options.loadBestModelAtEnd || best === undefined || best.step === lastStep) return false;
    adapter.replaceParameters(tensor(best.parameters, [best.parameters.length], adapter.dtype));
    return true;
  }

  snapshot(): Pick<Checkpoint, 'best' | 'evaluationsWithoutGain'> {
    return { best: this.#best, evaluationsWithoutGain: this.#withoutGain };
  }
}
