/** What changes from step to step: the adapter's numbers and Adam's moments. One step is whole or did not happen. */
import { keep, tensor, toFloat32Array, toFloat64Array, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import { LoraGradients } from '../lora/lora-gradients.ts';
import { adamwInit, adamwUpdate, disposeAdamW, type AdamWState } from '../optimizer/adamw.ts';
import { clipped, gradientNorm } from '../optimizer/clip.ts';
import type { TrainingOptions } from '../options/training-options.ts';
import type { Checkpoint } from './checkpoint.ts';
import { stepGradient, type StepLoss, type StepRequest } from './step-gradient.ts';

/** Adam's moments, out of the engine: flat vectors in the adapter's layout. */
export interface Moments {
  readonly updates: number;
  readonly first: Float32Array | Float64Array;
  readonly second: Float32Array | Float64Array;
}

export class TrainingState implements Disposable {
  readonly #adapter: LoraAdapter;
  readonly #options: TrainingOptions;
  readonly #gradients: LoraGradients;
  #adam: AdamWState;

  constructor(adapter: LoraAdapter, options: TrainingOptions, moments?: Moments, resume?: Checkpoint) {
    this.#adapter = adapter;
    this.#options = options;
    this.#gradients = new LoraGradients(adapter.layout, adapter.dtype);
    if (resume !== undefined) adapter.replaceParameters(this.#vector(resume.parameters));
    const carried =
      resume === undefined
        ? moments
        : { updates: resume.updates, first: resume.firstMoment, second: resume.secondMoment };
    this.#adam =
      carried === undefined
        ? adamwInit(adapter.parameters)
        : {
            updates: carried.updates,
            first: this.#vector(carried.first),
            second: this.#vector(carried.second),
          };
  }

  /** One optimizer step. If anything throws, adapter and moments are as before. */
  async step(
    request: Omit<StepRequest, 'adapter' | 'gradients' | 'seed'>,
    learningRate: number,
  ): Promise<StepLoss & { gradNorm: number }> {
    try {
      const result = await stepGradient({
        ...request,
        adapter: this.#adapter,
        gradients: this.#gradients,
        seed: this.#options.seed,
      });
      if (!Number.isFinite(result.loss)) throw this.#notFinite('loss', request.step, result.loss);
      return { ...result, gradNorm: this.#update(request.step, learningRate) };
    } finally {
      this.#gradients.clear();
    }
  }

  moments(): Moments {
    const { updates, first, second } = this.#adam;
    return { updates, first: valuesOf(first), second: valuesOf(second) };
  }

  snapshot(): Pick<Checkpoint, 'parameters' | 'updates' | 'firstMoment' | 'secondMoment'> {
    const { updates, first, second } = this.moments();
    return {
      parameters: valuesOf(this.#adapter.parameters),
      updates,
      firstMoment: first,
      secondMoment: second,
    };
  }

  [Symbol.dispose](): void {
    this.#gradients.clear();
    disposeAdamW(this.#adam);
  }

  #update(step: number, learningRate: number): number {
    using gradient = this.#gradients.take();
    const norm = gradientNorm(gradient);
    if (!Number.isFinite(norm)) throw this.#notFinite('gradient', step, norm);
    const { maxGradNorm } = this.#options;
    using bounded = clipped(gradient, norm, maxGradNorm);
    const old = this.#adam;
    const { parameters, state } = adamwUpdate(
      this.#adapter.parameters,
      bounded,
      old,
      learningRate,
      this.#options,
    );
    this.#adam = state;
    this.#adapter.replaceParameters(parameters);
    disposeAdamW(old);
    return norm;
  }

  #notFinite(what: 'loss' | 'gradient', step: number, value: number): EmlocError {
    const shown = String(step + 1);
    return new EmlocError(
      'FAILED_PRECONDITION',
      'LOSS_NOT_FINITE',
      `the ${what} of step ${shown} is ${value}`,
      {
        field: what,
        value: String(value),
        mend:
          this.#adam.updates === 0
            ? 'nothing was learned yet: check the weights, the first adapter and the data, for example with `emloc evaluate`'
            : 'lower the learning rate or clip the gradient; a checkpoint that was written before is kept',
        metadata: { step: shown },
      },
    );
  }

  #vector(values: Float32Array | Float64Array): Tensor {
    return keep(tensor(values, [values.length], this.#adapter.dtype));
  }
}

const valuesOf = (t: Tensor): Float32Array | Float64Array =>
  t.dtype === 'f64' ? toFloat64Array(t) : toFloat32Array(t);
