/**
 * Several adapters on one base, rows of different ones in one batch:
 *   y = W x + (m ⊙ (x Aᵀ)) Bᵀ,  A [ΣR, in] and B [out, ΣR] all adapters' factors under and beside each other,
 *   m [N, ΣR] the scale s of the row's own adapter in its ranks, 0 in those of the others.
 * So the base is multiplied once whatever the adapters are, and they cost four operations a linear (the dense form of
 * what S-LoRA, Sheng et al. 2023, and Punica, Chen et al. 2023, have kernels for). Forward only.
 */
import { add, concat, keep, matmul, mul, tensor, tidy, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import {
  linearForward,
  type Linears,
  type LinearsFor,
  type RowVariants,
  type VariantLinears,
  type WeightSource,
} from '@emloc/models';
import { adapterLinears } from './adapter-linears.ts';
import type { LoraAdapter } from './lora-adapter.ts';

/** Variant i has adapter i; undefined: none. The adapters stay the caller's. */
export function variantLinears(
  source: Pick<WeightSource, 'architecture'>,
  adapters: readonly (LoraAdapter | undefined)[],
): VariantLinears {
  return (micro) => {
    const mixed = new Map<RowVariants, MixedLinears>();
    const makers = micro.map((rows): LinearsFor => {
      const variants = typeof rows === 'number' ? [rows] : [...new Set(rows)];
      if (typeof rows === 'number' || variants.length === 1)
        return adapterLinears(source, adapters[variants[0]!]);
      const made = new MixedLinears(source, adapters, rows);
      mixed.set(rows, made);
      return (layer, weights) => made.linears(layer, weights);
    });
    return {
      linearsFor: (layer, weights, index) => makers[index]!(layer, weights, index),
      dispose: () => mixed.forEach((each) => each.dispose()),
    };
  };
}

interface StackedFactors {
  /** [ΣR, in] */
  readonly a: Tensor;
  /** [out, ΣR] */
  readonly b: Tensor;
  /** [N, ΣR] */
  readonly mask: Tensor;
}

/** For rows of which not all are of one variant. Factors are stacked once, for all passes with these rows. */
class MixedLinears {
  readonly #source: Pick<WeightSource, 'architecture'>;
  readonly #adapters: readonly (LoraAdapter | undefined)[];
  readonly #rows: readonly number[];
  readonly #variants: readonly number[];
  readonly #factors = new Map<string, StackedFactors | undefined>();
  readonly #masks = new Map<string, Tensor>();

  constructor(
    source: Pick<WeightSource, 'architecture'>,
    adapters: readonly (LoraAdapter | undefined)[],
    rows: readonly number[],
  ) {
    this.#source = source;
    this.#adapters = adapters;
    this.#rows = rows;
    this.#variants = [...new Set(rows)].sort((a, b) => a - b);
  }

  linears(layer: number, weights: Parameters<LinearsFor>[1]): Linears {
    return {
      forward: (name, x) => {
        const module = this.#source.architecture.moduleName(layer, name);
        const factors = this.#factorsOf(module);
        if (factors === undefined) return linearForward(weights.linear(name), x);
        const { a, b, mask } = factors;
        if (x.shape[0] !== this.#rows.length) throw routedRows(module);
        return tidy(() => {
          const low = mul(matmul(x, a, { transposeB: true }), mask); // [N, ΣR]
          return add(linearForward(weights.linear(name), x), matmul(low, b, { transposeB: true }));
        });
      },
      backward: (name) => {
        throw new EmlocError(
          'INTERNAL',
          'NO_BACKWARD',
          `rows of several adapters have no backward at ${name}`,
        );
      },
    };
  }

  dispose(): void {
    for (const factors of this.#factors.values()) {
      factors?.a.dispose();
      factors?.b.dispose();
    }
    for (const mask of this.#masks.values()) mask.dispose();
  }

  #factorsOf(module: string): StackedFactors | undefined {
    if (this.#factors.has(module)) return this.#factors.get(module);
    const own = this.#variants.flatMap((variant) => {
      const factors = this.#adapters[variant]?.factors(module);
      return factors === undefined ? [] : [{ variant, ...factors }];
    });
    const stacked =
      own.length === 0
        ? undefined
        : {
            a: keep(concat(own.map(({ a }) => a), 0)), // prettier-ignore
            b: keep(concat(own.map(({ b }) => b), 1)), // prettier-ignore
            mask: this.#maskOf(own.map(({ variant }) => variant)),
          };
    this.#factors.set(module, stacked);
    return stacked;
  }

  /** The variants that adapt a module are mostly the same for all modules. */
  #maskOf(variants: readonly number[]): Tensor {
    const name = variants.join();
    let mask = this.#masks.get(name);
    if (mask === undefined) {
      const columns = variants.flatMap((variant) => {
        const { settings, scale } = this.#adapters[variant]!;
        return new Array<{ variant: number; scale: number }>(settings.r).fill({ variant, scale });
      });
      const values = this.#rows.flatMap((row) =>
        columns.map(({ variant, scale }) => (variant === row ? scale : 0)),
      );
      const { dtype } = this.#adapters[variants[0]!]!;
      mask = keep(tensor(values, [this.#rows.length, columns.length], dtype));
      this.#masks.set(name, mask);
    }
    return mask;
  }
}

const routedRows = (module: string): EmlocError =>
  new EmlocError(
    'UNIMPLEMENTED',
    'ROUTED_ROWS',
    `${module} sees only some rows of a batch in which rows have different adapters`,
    { field: 'adapters', value: module, mend: 'name one adapter a request with this model' },
  );
