/**
 * A LoRA adapter: y = W x + (α / r) · B (A x) for each adapted linear (Hu et al., 2021). A is r × d_in, B is
 * d_out × r. All numbers live in ONE flat vector, so that an optimizer step is a handful of operations however many
 * linears are adapted; the A and B that layers use are pieces of it.
 */
import { keep, reshape, split, tensor, toFloat64Array, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { DecoderLinear } from '../decoder-linears.ts';
import { loraLayout, pieceSizes, type LoraLayout, type LoraModule } from './lora-layout.ts';
import { uniformStream } from './random.ts';
import type { TargetModules } from './target-modules.ts';

export interface LoraSettings {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  /** As the user chose them; PEFT is told the same. */
  readonly targetModules: TargetModules;
}

/** One adapted linear's factors. They belong to the adapter and change with each step. */
export interface LoraFactors {
  readonly a: Tensor;
  readonly b: Tensor;
}

export class LoraAdapter implements Disposable {
  readonly settings: LoraSettings;
  readonly layout: LoraLayout;
  readonly dtype: 'f32' | 'f64';
  #parameters: Tensor;
  readonly #factors = new Map<string, LoraFactors>();

  /** Takes ownership of `parameters`, a flat vector as `layout` says. */
  constructor(settings: LoraSettings, layout: LoraLayout, parameters: Tensor) {
    if (parameters.size !== layout.size) {
      throw new EmlocError(
        'INTERNAL',
        'WRONG_LENGTH',
        `${parameters.size} numbers for an adapter of ${layout.size}`,
      );
    }
    this.settings = settings;
    this.layout = layout;
    this.dtype = parameters.dtype as 'f32' | 'f64';
    this.#parameters = keep(parameters);
    this.#cut();
  }

  /** A Kaiming-uniform (a = √5, as PEFT draws it: within ±1/√d_in), B zero. Each module has its own random stream. */
  static initialize(
    linears: readonly DecoderLinear[],
    settings: LoraSettings,
    seed: number,
    dtype: 'f32' | 'f64' = 'f32',
  ): LoraAdapter {
    const layout = loraLayout(linears, settings.r);
    const values = new Float64Array(layout.size);
    for (const { module, inFeatures, aOffset, bOffset } of layout.modules) {
      const next = uniformStream('lora_A', seed, module);
      const bound = 1 / Math.sqrt(inFeatures);
      for (let i = aOffset; i < bOffset; i += 1) values[i] = (2 * next() - 1) * bound;
    }
    return LoraAdapter.fromValues(settings, layout, values, dtype);
  }

  static fromValues(
    settings: LoraSettings,
    layout: LoraLayout,
    values: Float32Array | Float64Array,
    dtype: 'f32' | 'f64' = 'f32',
  ): LoraAdapter {
    const typed = dtype === 'f64' ? Float64Array.from(values) : Float32Array.from(values);
    return new LoraAdapter(settings, layout, tensor(typed, [layout.size], dtype));
  }

  /** α / r. */
  get scale(): number {
    return this.settings.loraAlpha / this.settings.r;
  }

  get modules(): readonly LoraModule[] {
    return this.layout.modules;
  }

  /** The flat vector. It belongs to the adapter. */
  get parameters(): Tensor {
    return this.#parameters;
  }

  /** A and B of a module (full name); `undefined` where it is not adapted. */
  factors(module: string): LoraFactors | undefined {
    return this.#factors.get(module);
  }

  /** Takes ownership of new parameters and ends the old ones. */
  replaceParameters(parameters: Tensor): void {
    const old = this.#parameters;
    this.#parameters = keep(parameters);
    this.#cut();
    old.dispose();
  }

  /** All numbers, copied out; float32 where the adapter is. */
  values(): Float64Array {
    return toFloat64Array(this.#parameters);
  }

  clone(): LoraAdapter {
    return LoraAdapter.fromValues(this.settings, this.layout, this.values(), this.dtype);
  }

  [Symbol.dispose](): void {
    for (const { a, b } of this.#factors.values()) {
      a.dispose();
      b.dispose();
    }
    this.#factors.clear();
    this.#parameters.dispose();
  }

  dispose(): void {
    this[Symbol.dispose]();
  }

  #cut(): void {
    const { r, modules } = this.layout;
    const pieces = split(this.#parameters, pieceSizes(this.layout), 0);
    const shaped = (index: number, shape: readonly number[]): Tensor => {
      const piece = pieces[index] as Tensor;
      const result = keep(reshape(piece, shape));
      piece.dispose();
      return result;
    };
    modules.forEach(({ module, inFeatures, outFeatures }, i) => {
      const old = this.#factors.get(module);
      old?.a.dispose();
      old?.b.dispose();
      this.#factors.set(module, {
        a: shaped(2 * i, [r, inFeatures]),
        b: shaped(2 * i + 1, [outFeatures, r]),
      });
    });
  }
}
