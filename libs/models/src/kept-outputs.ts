/**
 * Outputs of chosen linears, kept in the forward pass for the backward, whose recomputation then takes them instead of
 * multiplying again. Each number kept saves as many multiplications as the linear has inputs. In bf16 where weights
 * are, as mixed precision keeps them; else as they are.
 */
import { cast, identity, keep, type Tensor } from '@emloc/engine';
import type { Linears } from './types.ts';

export class KeptOutputs {
  readonly #names: ReadonlySet<string>;
  readonly #inBf16: boolean;
  readonly #outputs = new Map<string, Tensor>();

  constructor(names: readonly string[], inBf16: boolean) {
    this.#names = new Set(names);
    this.#inBf16 = inBf16;
  }

  /** The same linears, whose outputs are noted. */
  record(linears: Linears): Linears {
    if (this.#names.size === 0) return linears;
    return {
      forward: (name, x) => {
        const y = linears.forward(name, x);
        if (this.#names.has(name))
          this.#outputs.set(name, keep(this.#inBf16 ? cast(y, 'bf16') : identity(y)));
        return y;
      },
      backward: (name, x, dy) => linears.backward(name, x, dy),
    };
  }

  /** The same linears, but that a noted output is given out, once. */
  replay(linears: Linears): Linears {
    if (this.#outputs.size === 0) return linears;
    return {
      forward: (name, x) => {
        const kept = this.#outputs.get(name);
        if (kept === undefined) return linears.forward(name, x);
        this.#outputs.delete(name);
        const y = cast(kept, x.dtype);
        kept.dispose();
        return y;
      },
      backward: (name, x, dy) => linears.backward(name, x, dy),
    };
  }

  dispose(): void {
    for (const output of this.#outputs.values()) output.dispose();
    this.#outputs.clear();
  }
}
