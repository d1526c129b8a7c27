/**
 * A Llama decoder layer:
 *   x₁ = x + o(attention(rope(q(n)), rope(k(n)), v(n))),  n = rmsNorm(x)
 *   y = x₁ + down(silu(gate(n₂)) · up(n₂)),  n₂ = rmsNorm(x₁)
 * The two halves are functions of their own, since the backward (backward.ts) recomputes them.
 */
import { add, cast, gather, reshape, tidy, type Tensor } from '@emloc/engine';
import { attention, type Attended, type Heads } from '../../layers/attention.ts';
import { rmsNorm, type RmsNormed } from '../../layers/rms-norm.ts';
import { rope } from '../../layers/rope.ts';
import { swiglu } from '../../layers/swiglu.ts';
import type { BatchContext, LayerWeights, Linears, ModelConfig } from '../../types.ts';

export const INPUT_NORM = 'input_layernorm.weight';
export const MLP_NORM = 'post_attention_layernorm.weight';

export interface AttentionHalf {
  readonly normed: RmsNormed;
  readonly heads: Heads;
  readonly attended: Attended;
  /** x₁ [N, D] */
  readonly x1: Tensor;
}

/** x [N, D]. Everything that the backward needs of the first half. */
export const attentionHalf = (
  x: Tensor,
  w: LayerWeights,
  lin: Linears,
  batch: BatchContext,
  config: ModelConfig,
): AttentionHalf =>
  tidy(() => {
    const normed = rmsNorm(x, w.tensor(INPUT_NORM), config.rmsNormEps);
    const heads = tidy(() => {
      const v = lin.forward('self_attn.v_proj', normed.y); // [N, K·E]
      return {
        q: rope(lin.forward('self_attn.q_proj', normed.y), batch.queryRope), // [N, H, E]
        k: rope(lin.forward('self_attn.k_proj', normed.y), batch.keyRope), // [N, K, E]
        v: reshape(v, [batch.rows, config.numKeyValueHeads, config.headDim]),
      };
    });
    const attended = attention(heads, batch.blocks);
    const x1 = tidy(() => add(x, lin.forward('self_attn.o_proj', attended.output)));
    return { normed, heads, attended, x1 };
  });

/** x₁ [N, D] → the MLP's output, without the residual. */
const mlp = (x1: Tensor, w: LayerWeights, lin: Linears, config: ModelConfig): Tensor =>
  tidy(() => {
    const activated = tidy(() => {
      const { y } = rmsNorm(x1, w.tensor(MLP_NORM), config.rmsNormEps);
      const gate = lin.forward('mlp.gate_proj', y); // [N, F]
      return swiglu(gate, lin.forward('mlp.up_proj', y)).activated;
    });
    return lin.forward('mlp.down_proj', activated);
  });

export const layerForward = (
  x: Tensor,
  w: LayerWeights,
  lin: Linears,
  batch: BatchContext,
  config: ModelConfig,
): Tensor =>
  tidy(() => {
    const x1 = tidy(() => attentionHalf(x, w, lin, batch, config).x1);
    return add(x1, mlp(x1, w, lin, config));
  });

/** embedding [V, D] in any type, ids i32 [N] → [N, D] */
export const embed = (embedding: Tensor, ids: Tensor, dtype: 'f32' | 'f64'): Tensor =>
  tidy(() => {
    const rows = gather(embedding, ids, 0);
    return rows.dtype === dtype ? rows : cast(rows, dtype);
  });
