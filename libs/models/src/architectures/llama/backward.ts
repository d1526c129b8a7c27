/**
 * The backward of a Llama decoder layer, down to its input, written out. Only the layer's input was kept: both halves
 * are recomputed (all but `down_proj`, whose output the backward does not need), and what they leave is reused.
 */
import { add, reshape, tidy, type Tensor } from '@emloc/engine';
import { attentionBackward } from '../../layers/attention.ts';
import { rmsNorm, rmsNormBackward } from '../../layers/rms-norm.ts';
import { ropeBackward } from '../../layers/rope.ts';
import { swiglu, swigluBackward } from '../../layers/swiglu.ts';
import type { BatchContext, LayerWeights, Linears, ModelConfig } from '../../types.ts';
import { attentionHalf, INPUT_NORM, MLP_NORM, type AttentionHalf } from './forward.ts';

export const layerBackward = (
  x: Tensor,
  dy: Tensor,
  w: LayerWeights,
  lin: Linears,
  batch: BatchContext,
  config: ModelConfig,
): Tensor =>
  tidy(() => {
    const half = attentionHalf(x, w, lin, batch, config);
    const dx1 = mlpBackward(half.x1, dy, w, lin, config);
    half.x1.dispose();
    return attentionHalfBackward(x, dx1, half, w, lin, batch);
  });

/** x₁, dy [N, D] → dx₁ [N, D], the residual's share included. */
const mlpBackward = (x1: Tensor, dy: Tensor, w: LayerWeights, lin: Linears, config: ModelConfig): Tensor =>
  tidy(() => {
    const norm = w.tensor(MLP_NORM);
    const { y, inverse } = rmsNorm(x1, norm, config.rmsNormEps);
    const { dGate, dUp } = tidy(() => {
      const gate = lin.forward('mlp.gate_proj', y); // [N, F]
      const up = lin.forward('mlp.up_proj', y);
      const gated = swiglu(gate, up);
      const da = lin.backward('mlp.down_proj', gated.activated, dy); // [N, F]
      gated.activated.dispose();
      return swigluBackward(da, gate, up, gated);
    });
    const dNormed = tidy(() =>
      add(lin.backward('mlp.gate_proj', y, dGate), lin.backward('mlp.up_proj', y, dUp)),
    );
    dGate.dispose();
    dUp.dispose();
    return add(dy, rmsNormBackward(x1, dNormed, norm, inverse));
  });

/** x, dx₁ [N, D] → dx [N, D] */
const attentionHalfBackward = (
  x: Tensor,
  dx1: Tensor,
  { normed, heads, attended }: AttentionHalf,
  w: LayerWeights,
  lin: Linears,
  batch: BatchContext,
): Tensor =>
  tidy(() => {
    const { y, inverse } = normed;
    const dHeads = tidy(() =>
      attentionBackward(
        lin.backward('self_attn.o_proj', attended.output, dx1),
        heads,
        attended.states,
        batch.blocks,
      ),
    );
    const dNormed = tidy(() => {
      const dv = reshape(dHeads.v, [batch.rows, -1]);
      const fromQ = lin.backward('self_attn.q_proj', y, ropeBackward(dHeads.q, batch.queryRope));
      const fromK = lin.backward('self_attn.k_proj', y, ropeBackward(dHeads.k, batch.keyRope));
      return add(add(fromQ, fromK), lin.backward('self_attn.v_proj', y, dv));
    });
    return add(dx1, rmsNormBackward(x, dNormed, w.tensor(INPUT_NORM), inverse));
  });
