/** Softmax and the cross-entropy over it. */
import type { Tensor } from '../tensor.ts';
import { NO_ATTRS, op, rawOp } from './call.ts';
import { likeFirst } from './shapes.ts';

/** Over the last axis. */
export const softmax = (x: Tensor): Tensor => op('Softmax', [x], NO_ATTRS, likeFirst);

/** Over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => op('LogSoftmax', [x], NO_ATTRS, likeFirst);

/**
 * loss[n] = -log softmax(logits[n])[labels[n]], and its gradient softmax(logits) - onehot(labels), in one pass.
 * @param logits f32 (or f64, f16, bf16) [N, V]
 * @param labels i32 or i64 [N], each in [0, V)
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor): { loss: Tensor; dLogits: Tensor } {
  const [loss, dLogits] = rawOp('SparseSoftmaxCrossEntropyWithLogits', [logits, labels], [], 2);
  return { loss: loss!, dLogits: dLogits! };
}
