/** Rows of an embedding matrix by token id. */
import { cast, gather, tidy, type Tensor } from '@emloc/engine';

/** embedding [V, D] in any type, ids i32 [N] → [N, D] */
export const embedRows = (embedding: Tensor, ids: Tensor, dtype: 'f32' | 'f64'): Tensor =>
  tidy(() => {
    const rows = gather(embedding, ids, 0);
    return rows.dtype === dtype ? rows : cast(rows, dtype);
  });
