/**
 * A linear and its adapter as ONE linear, made once for all micro-batches that a layer visit serves:
 *   full      W + s·B A                 costs a small product, and the memory of the layer's weights in f32
 *   factored  [u, s·B]·[v; A] = u v + s·B A      costs R more ranks
 * so that the adapter adds nothing to the products with activations.
 */
import { add, cast, concat, matmul, mul, transpose } from '@emloc/engine';
import type { LayerWeights, LinearWeights } from '@emloc/models';
import type { LoraFactors } from './lora-adapter.ts';

/**
 * Undefined for a full linear that is multiplied in bf16, whose rounding would lose the adapter. The factors of an
 * emulator and those of the adapter lie beside each other, so there each is rounded by itself, as mixed precision does.
 */
export function adaptedWeights(
  weights: LayerWeights,
  name: string,
  factors: LoraFactors,
  scale: number,
): LinearWeights | undefined {
  const dtype = weights.matrixDtype;
  const { kind, bias, ...linear } = weights.linear(name);
  if (kind === 'full' && dtype !== factors.a.dtype) return undefined;
  const turned = 'transposed' in linear && linear.transposed === true;
  const a = () => cast(factors.a, dtype);
  const b = () => cast(scale === 1 ? factors.b : mul(factors.b, scale), dtype);
  const stored = (part: string) => cast(weights.stored(`${name}.${part}`), dtype);
  const made = (part: string, make: () => ReturnType<typeof b>) =>
    weights.derived(factors, `${part}, ${scale}`, make);
  return kind === 'full'
    ? {
        kind,
        bias,
        weight: made('weight', () =>
          add(turned ? transpose(stored('weight')) : stored('weight'), matmul(b(), factors.a)),
        ),
      }
    : {
        kind,
        bias,
        u: made('u', () => concat([stored('u'), b()], 1)),
        v: made('v', () => concat([stored('v'), a()], 0)),
      };
}
