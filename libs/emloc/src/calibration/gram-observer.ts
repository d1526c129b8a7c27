/** Watches a layer's inputs: G = Σ x xᵀ for each group of linears that share an input (paper, section 3.2). */
import { add, keep, matmul, tidy, type Tensor } from '@emloc/engine';
import type { Linears } from '@emloc/models';

export class GramObserver {
  readonly #grams = new Map<string, Tensor>();
  readonly #rows = new Map<string, number>();
  readonly #groups: ReadonlySet<string>;

  /** `groups`: the linears, by name inside the layer, whose input is summed. */
  constructor(groups: ReadonlySet<string>) {
    this.#groups = groups;
  }

  /** `linears` as before, with their inputs seen. */
  watch(linears: Linears): Linears {
    return {
      forward: (name, x) => {
        if (this.#groups.has(name)) this.#add(name, x);
        return linears.forward(name, x);
      },
      backward: (name, x, dy) => linears.backward(name, x, dy),
    };
  }

  /** What was summed so far, by linear name. The tensors become the caller's. */
  take(): Map<string, Tensor> {
    const grams = new Map(this.#grams);
    this.#grams.clear();
    return grams;
  }

  /** How many rows each of them was summed over; none where no row came. */
  get rows(): ReadonlyMap<string, number> {
    return this.#rows;
  }

  /** x [N, d_in]: no mean is removed, nothing is divided, so Grams of shards add up. */
  #add(name: string, x: Tensor): void {
    const old = this.#grams.get(name);
    const sum = tidy(() => {
      const gram = matmul(x, x, { transposeA: true });
      return keep(old === undefined ? gram : add(old, gram));
    });
    old?.dispose();
    this.#rows.set(name, (this.#rows.get(name) ?? 0) + (x.shape[0] ?? 0));
    this.#grams.set(name, sum);
  }
}
