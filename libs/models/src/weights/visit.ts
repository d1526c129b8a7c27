/** A layer's weights for the time of one visit: found by name, converted where they must be, and let go at its end. */
import { cast, keep, type Tensor } from '@emloc/engine';
import type { ComputeDType, LayerWeights, LinearWeights } from '../types.ts';
import type { MappedTensors } from './mapped-tensors.ts';

export interface VisitTypes {
  /** What matrices are multiplied in. */
  readonly matrix: ComputeDType;
  readonly activation: 'f32' | 'f64';
}

export class Visit implements LayerWeights {
  readonly #mapped: MappedTensors;
  readonly #fullName: (name: string) => string;
  readonly #types: VisitTypes;
  readonly #converted = new Map<string, Tensor>();
  readonly #linears = new Map<string, LinearWeights>();

  constructor(mapped: MappedTensors, fullName: (name: string) => string, types: VisitTypes) {
    this.#mapped = mapped;
    this.#fullName = fullName;
    this.#types = types;
  }

  linear(name: string): LinearWeights {
    let found = this.#linears.get(name);
    if (found === undefined) {
      const module = this.#fullName(name);
      const { matrix, activation } = this.#types;
      const bias = this.#mapped.has(`${module}.bias`) ? this.#as(`${module}.bias`, activation) : undefined;
      found = this.#mapped.has(`${module}.weight`)
        ? { kind: 'full', weight: this.#as(`${module}.weight`, matrix), bias }
        : { kind: 'factored', u: this.#as(`${module}.u`, matrix), v: this.#as(`${module}.v`, matrix), bias };
      this.#linears.set(name, found);
    }
    return found;
  }

  tensor(name: string): Tensor {
    return this.#as(this.#fullName(name), this.#types.activation);
  }

  /** By its full name, unconverted. */
  stored(name: string): Tensor {
    return this.#mapped.get(name);
  }

  end(): void {
    for (const tensor of this.#converted.values()) tensor.dispose();
    this.#converted.clear();
    this.#linears.clear();
  }

  #as(name: string, dtype: ComputeDType): Tensor {
    const stored = this.#mapped.get(name);
    if (stored.dtype === dtype) return stored;
    let converted = this.#converted.get(name);
    if (converted === undefined) {
      converted = keep(cast(stored, dtype));
      this.#converted.set(name, converted);
    }
    return converted;
  }
}
