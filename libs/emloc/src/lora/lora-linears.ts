/**
 * The linears of one decoder layer with an adapter on them: forward y = W x + s·B (A d(x)), backward dx and the
 * gradients of A and B. W is full or factored; d is dropout, s = α / r. Shapes: x [N, in], A [R, in], B [out, R].
 *
 * Folded (adapted-weights.ts), the adapter is part of the weights for the time of a visit; beside them, it is computed
 * for each micro-batch. The mathematics is the same; dropout, which acts on the adapter's input alone, needs the latter.
 */
import { add, cast, linearTwiceBackward, matmul, mul, slice, tidy, type Tensor } from '@emloc/engine';
import { linearBackward, linearForward, type LayerWeights, type Linears } from '@emloc/models';
import { adaptedWeights } from './adapted-weights.ts';
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
  /** Fold the adapter into the weights of a visit, where that can be (false: many adapters would take much memory). */
  readonly fold?: boolean;
}

export function loraLinears(weights: LayerWeights, adapter: LoraAdapter, use: LoraUse): Linears {
  const scale = adapter.scale * (use.strength ?? 1);
  const scaled = (t: Tensor): Tensor => (scale === 1 ? t : mul(t, scale));
  const maskOf = (module: string, x: Tensor) =>
    use.dropout === undefined ? undefined : dropoutMask(use.dropout, module, x.shape, adapter.dtype);
  const folds = use.fold === true && use.dropout === undefined;

  /** dA [R, in] and dB [out, R], from the adapter's input and what comes back out of s·B. */
  const addGradients = (module: string, a: Tensor, input: Tensor, dy: Tensor, dLow: () => Tensor): void => {
    if (use.gradients === undefined) return;
    const low = scaled(matmul(input, a, { transposeB: true })); // [N, R]
    const dA = matmul(dLow(), input, { transposeA: true });
    const dB = matmul(dy, low, { transposeA: true });
    use.gradients.add(module, dA, dB);
  };

  return {
    forward(name, x) {
      const module = use.moduleName(name);
      const factors = adapter.factors(module);
      if (factors === undefined) return linearForward(weights.linear(name), x);
      const adapted = folds ? adaptedWeights(weights, name, factors, scale) : undefined;
      if (adapted !== undefined) return linearForward(adapted, x);
      return tidy(() => {
        const mask = maskOf(module, x);
        const input = mask === undefined ? x : mul(x, mask);
        const low = scaled(matmul(input, factors.a, { transposeB: true })); // [N, R]
        return add(linearForward(weights.linear(name), x), matmul(low, factors.b, { transposeB: true })); // [N, out]
      });
    },

    backward(name, x, dy) {
      const module = use.moduleName(name);
      const factors = adapter.factors(module);
      if (factors === undefined) return linearBackward(weights.linear(name), dy);
      const { a, b } = factors;
      const adapted = folds ? adaptedWeights(weights, name, factors, scale) : undefined;
      return tidy(() => {
        if (adapted?.kind === 'factored') {
          const { dx, dBetween } = linearTwiceBackward(dy, adapted.v, adapted.u); // [N, K + R]: out of u and s·B
          const [rank, between] = [a.shape[0]!, dBetween.shape[1]!];
          addGradients(module, a, x, dy, () =>
            cast(slice(dBetween, [0, between - rank], [-1, rank]), a.dtype),
          );
          return dx;
        }
        const backThroughB = () => scaled(matmul(dy, b)); // [N, R]
        if (adapted !== undefined) {
          addGradients(module, a, x, dy, backThroughB);
          return linearBackward(adapted, dy);
        }
        const mask = maskOf(module, x);
        const dLow = backThroughB();
        addGradients(module, a, mask === undefined ? x : mul(x, mask), dy, () => dLow);
        const through = matmul(dLow, a); // [N, in]
        const dx = linearBackward(weights.linear(name), dy);
        return add(dx, mask === undefined ? through : mul(through, mask));
      });
    },
  };
}
