/** A layer's weights for the time of one visit: found by name, converted where they must be, and let go at its end. */
import { cast, keep, tidy, type Tensor } from '@emloc/engine';
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
  readonly #keeps: boolean;
  readonly #converted = new Map<string, Tensor>();
  /** Ends of what was converted and derived, in order. */
  readonly #ends: (() => void)[] = [];
  readonly #linears = new Map<string, LinearWeights>();
  readonly #derived = new Map<object, Map<string, Tensor>>();

  /** `keeps`: what is converted stays until the visit's end, also what a scope of it was done with. */
  constructor(mapped: MappedTensors, fullName: (name: string) => string, types: VisitTypes, keeps = false) {
    this.#mapped = mapped;
    this.#fullName = fullName;
    this.#types = types;
    this.#keeps = keeps;
  }

  get matrixDtype(): ComputeDType {
    return this.#types.matrix;
  }

  linear(name: string): LinearWeights {
    let found = this.#linears.get(name);
    if (found === undefined) {
      const module = this.#fullName(name);
      const { matrix, activation } = this.#types;
      const bias = this.#mapped.has(`${module}.bias`) ? this.#as(`${module}.bias`, activation) : undefined;
      const part = (which: string): Tensor => this.#as(`${module}.${which}`, matrix);
      // Converted when looked at: who makes something else of a weight never pays for its copy.
      found = this.#mapped.has(`${module}.weight`)
        ? {
            kind: 'full',
            bias,
            transposed: this.#mapped.isTransposed(module),
            get weight() {
              return part('weight');
            },
          }
        : {
            kind: 'factored',
            bias,
            get u() {
              return part('u');
            },
            get v() {
              return part('v');
            },
          };
      this.#linears.set(name, found);
    }
    return found;
  }

  tensor(name: string): Tensor {
    return this.#as(this.#fullName(name), this.#types.activation);
  }

  derived(owner: object, name: string, make: () => Tensor): Tensor {
    let own = this.#derived.get(owner);
    if (own === undefined) this.#derived.set(owner, (own = new Map<string, Tensor>()));
    let found = own.get(name);
    if (found === undefined) {
      const made = keep(tidy(make));
      own.set(name, (found = made));
      this.#ends.push(() => {
        made.dispose();
        own.delete(name);
      });
    }
    return found;
  }

  scoped<T>(use: () => T): T {
    if (this.#keeps) return use();
    const before = this.#ends.length;
    try {
      return use();
    } finally {
      this.#endFrom(before);
    }
  }

  /** A matrix for the activations to be multiplied by: converted where it cannot be as it is stored. */
  multiplied(name: string): Tensor {
    const { matrix, activation } = this.#types;
    const stored = this.stored(name);
    return stored.dtype === matrix ? stored : this.#as(this.#fullName(name), activation);
  }

  /** Some rows of a matrix as it is stored, for the time of `use` alone. */
  withRows<T>(name: string, first: number, count: number, use: (rows: Tensor) => T): T {
    return this.#mapped.withRows(this.#fullName(name), first, count, use);
  }

  stored(name: string): Tensor {
    return this.#mapped.get(this.#fullName(name));
  }

  end(): void {
    this.#endFrom(0);
    this.#derived.clear();
    this.#linears.clear();
  }

  #endFrom(first: number): void {
    for (const end of this.#ends.splice(first)) end();
  }

  #as(name: string, dtype: ComputeDType): Tensor {
    const stored = this.#mapped.get(name);
    if (stored.dtype === dtype) return stored;
    let converted = this.#converted.get(name);
    if (converted === undefined) {
      const made = keep(cast(stored, dtype));
      this.#converted.set(name, (converted = made));
      this.#ends.push(() => {
        made.dispose();
        this.#converted.delete(name);
      });
    }
    return converted;
  }
}
