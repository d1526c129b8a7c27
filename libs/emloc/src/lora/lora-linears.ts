/**
 * The linears of one decoder layer with an adapter on them: forward y = W x + s·B (A d(x)), backward dx and the
 * gradients of A and B. W is full or factored; d is dropout, s = α / r. Shapes: x [N, in], A [R, in], B [out, R].
 */
import { add, matmul, mul, tidy, type Tensor } from '@emloc/engine';
import { linearBackward, linearForward, type LayerWeights, type Linears } from '@emloc/models';
import { dropoutMask, type DropoutDraw } from './dropout.ts';
import type { LoraAdapter } from './lora-adapter.ts';
import type { LoraGradients } from './lora-gradients.ts';

export interface LoraUse {
  /** Full name of a linear of this layer. */
  moduleName(linear: string): string;
  /** Where gradients are summed; without it backward gives dx alone. */
  readonly gradients?: LoraGradients;
  /** Given in training with a dropout above 0; the same draw gives the same mask in the recomputed forward. */
  readonly dropout?: DropoutDraw;
  /** Multiplies the adapter's effect (1). */
  readonly strength?: number;
}

export function loraLinears(weights: LayerWeights, adapter: LoraAdapter, use: LoraUse): Linears {
  const scale = adapter.scale * (use.strength ?? 1);
  const scaled = (t: Tensor): Tensor => (scale === 1 ? t : mul(t, scale));
  const maskOf = (module: string, x: Tensor) =>
    use.dropout === undefined ? undefined : dropoutMask(use.dropout, module, x.shape, adapter.dtype);

  return {
    forward(name, x) {
      const module = use.moduleName(name);
      const factors = adapter.factors(module);
      const base = weights.linear(name);
      if (factors === undefined) return linearForward(base, x);
      return tidy(() => {
        const mask = maskOf(module, x);
        const input = mask === undefined ? x : mul(x, mask);
        const low = scaled(matmul(input, factors.a, { transposeB: true })); // [N, R]
        return add(linearForward(base, x), matmul(low, factors.b, { transposeB: true })); // [N, out]
      });
    },

    backward(name, x, dy) {
      const module = use.moduleName(name);
      const factors = adapter.factors(module);
      const base = weights.linear(name);
      if (factors === undefined) return linearBackward(base, dy);
      return tidy(() => {
        const mask = maskOf(module, x);
        const dLow = scaled(matmul(dy, factors.b)); // [N, R]
        if (use.gradients !== undefined) {
          const input = mask === undefined ? x : mul(x, mask);
          const low = scaled(matmul(input, factors.a, { transposeB: true })); // [N, R]
          const dA = matmul(dLow, input, { transposeA: true }); // [R, in]
          const dB = matmul(dy, low, { transposeA: true }); // [out, R]
          use.gradients.add(module, dA, dB);
        }
        const through = matmul(dLow, factors.a); // [N, in]
        return add(linearBackward(base, dy), mask === undefined ? through : mul(through, mask));
      });
    },
  };
}
