/** Gradients of an adapter, summed over the micro-batches of a step, then handed over as one flat vector. */
import { add, concat, keep, reshape, tidy, zeros, type Tensor } from '@emloc/engine';
import { pieceSizes, type LoraLayout } from './lora-layout.ts';

export class LoraGradients implements Disposable {
  readonly #layout: LoraLayout;
  readonly #dtype: 'f32' | 'f64';
  readonly #sums = new Map<string, { a: Tensor; b: Tensor }>();

  constructor(layout: LoraLayout, dtype: 'f32' | 'f64') {
    this.#layout = layout;
    this.#dtype = dtype;
  }

  /** Adds dA and dB of a module. They stay the caller's. */
  add(module: string, dA: Tensor, dB: Tensor): void {
    const old = this.#sums.get(module);
    // Summed with nothing, a new handle all the same: the caller's scope ends its own.
    const a = keep(old === undefined ? reshape(dA, dA.shape) : add(old.a, dA));
    const b = keep(old === undefined ? reshape(dB, dB.shape) : add(old.b, dB));
    old?.a.dispose();
    old?.b.dispose();
    this.#sums.set(module, { a, b });
  }

  /** The flat gradient, zeros where a module saw none. The sums start anew. */
  take(): Tensor {
    const sizes = pieceSizes(this.#layout);
    const flat = tidy(() =>
      concat(
        this.#layout.modules.flatMap(({ module }, i) => {
          const sum = this.#sums.get(module);
          const piece = (part: Tensor | undefined, size: number) =>
            part === undefined ? zeros([size], this.#dtype) : reshape(part, [size]);
          return [piece(sum?.a, sizes[2 * i] ?? 0), piece(sum?.b, sizes[2 * i + 1] ?? 0)];
        }),
        0,
      ),
    );
    this.clear();
    return flat;
  }

  clear(): void {
    for (const { a, b } of this.#sums.values()) {
      a.dispose();
      b.dispose();
    }
    this.#sums.clear();
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
