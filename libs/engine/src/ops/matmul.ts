/** Matrix products. */
import { attr } from '../binding/execute.ts';
import { native } from '../binding/context.ts';
import { halfPrecision } from '../half-precision.ts';
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { op } from './call.ts';
import { multiplied } from './shapes.ts';
import { cast } from './math.ts';
import { reshape } from './shape.ts';

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const flags = [false, true];
const plainAttrs = flags.map((a) =>
  flags.map((b) => [attr.bool('transpose_a', a), attr.bool('transpose_b', b)]),
);
const batchAttrs = flags.map((a) => flags.map((b) => [attr.bool('adj_x', a), attr.bool('adj_y', b)]));
const plainBatchAttrs = batchAttrs.map((row) => row.map((each) => [...each, attr.type('Tout', 'f32')]));

/**
 * Multiplications of one matrix of a stack below which oneDNN does not make the product: it keeps some 300 KB for each
 * shape that it has seen, which small stacks of ever new shapes (attention of short texts) would fill memory with.
 * The op of the third version is the one that it does not take over. Measured: decision 0107.
 */
const SMALL_PRODUCT = 4e6;

/**
 * a · b over the last two axes; the axes before them are batches and broadcast. A stack of matrices times one matrix
 * is multiplied as a single tall matrix. Both operands have one element type, which the product has too.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const dtype = a.dtype;
  if ((dtype === 'bf16' && halfPrecision() === 'cast') || dtype === 'f16') {
    if (b.dtype === dtype) {
      return tidy(() => cast(product(cast(a, 'f32'), cast(b, 'f32'), options), dtype));
    }
  }
  return product(a, b, options);
}

function product(a: Tensor, b: Tensor, options: MatmulOptions): Tensor {
  const ta = options.transposeA === true ? 1 : 0;
  const tb = options.transposeB === true ? 1 : 0;
  const rankA = a.rank;
  const shape = (): readonly number[] => multiplied(a, b, ta === 1, tb === 1);
  if (b.rank === 2) {
    if (rankA === 2) return op('MatMul', [a, b], plainAttrs[ta]![tb]!, shape);
    if (rankA > 2 && ta === 0) {
      const lead = a.shape.slice(0, -1);
      const inner = a.shape[rankA - 1]!;
      return tidy(() => {
        const rows = reshape(a, [-1, inner]);
        const tall = op('MatMul', [rows, b], plainAttrs[0]![tb]!, () => multiplied(rows, b, false, tb === 1));
        return reshape(tall, [...lead, b.shape[tb === 1 ? 0 : 1]!]);
      });
    }
  }
  if (a.dtype === 'f32' && native().gpu === undefined) {
    const [rows, inner] = [a.shape[rankA - 2 + ta]!, a.shape[rankA - 1 - ta]!];
    const columns = b.shape[b.rank - 1 - tb]!;
    if (rows * inner * columns < SMALL_PRODUCT)
      return op('BatchMatMulV3', [a, b], plainBatchAttrs[ta]![tb]!, shape);
  }
  return op('BatchMatMulV2', [a, b], batchAttrs[ta]![tb]!, shape);
}
