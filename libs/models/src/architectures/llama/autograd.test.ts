/** The layer written out anew in TensorFlow.js, whose automatic gradient must agree with the backward by hand. */
import { cast, startEngine, tensor, tf, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { makeBatchContext } from '../../batch-context.ts';
import { plainLinears } from '../../layers/linear.ts';
import { maxRelative, randomNumbers } from '../../testing/fixture.ts';
import { randomLayer, tinyConfig } from '../../testing/tiny-config.ts';
import type { LayerWeights } from '../../types.ts';
import { llama } from './index.ts';

beforeAll(() => startEngine());

test('forward and gradient are those of tfjs autograd', async () => {
  const tfjs = await tf();
  type T = ReturnType<typeof tfjs.tensor>;
  const config = tinyConfig();
  const [tokens, heads, keyHeads, width] = [6, 4, 2, 8];
  const w = randomLayer({ architecture: llama, config });
  const shape = [tokens, 32] as [number, number];
  // Small inputs, so that the softmax is not one-hot.
  const x = Float32Array.from(randomNumbers(tokens * 32, 1));
  const dy = Float32Array.from(randomNumbers(tokens * 32, 2));

  const matrix = (name: string): T => {
    const found = w.linear(name);
    if (found.kind !== 'full') throw new Error('it is factored');
    return tfjs.tensor(Float32Array.from(toFloat64Array(found.weight)), [...found.weight.shape]).mul(0.2);
  };
  const linear = (name: string, t: T): T => tfjs.matMul(t as never, matrix(name) as never, false, true);
  const norm = (name: string, t: T): T => {
    const weight = tfjs.tensor(Float32Array.from(toFloat64Array(w.tensor(name))));
    return t.div(t.square().mean(-1, true).add(config.rmsNormEps).sqrt()).mul(weight);
  };
  const angles = tfjs.tensor(
    Float32Array.from({ length: tokens * width }, (_, i) => {
      const pair = (i % width) % (width / 2);
      return Math.floor(i / width) / 10000 ** ((2 * pair) / width);
    }),
    [tokens, 1, width],
  );
  const rotate = (t: T): T => {
    const [a, b] = tfjs.split(t, 2, 2);
    return t.mul(angles.cos()).add(tfjs.concat([b!.neg(), a!], 2).mul(angles.sin()));
  };
  const perHead = (t: T, count: number): T => t.reshape([tokens, count, width]);
  const repeat = (t: T): T =>
    tfjs.tile(t.reshape([tokens, keyHeads, 1, width]), [1, 1, 2, 1]).reshape([tokens, heads, width]);
  const mask = tfjs.tensor(
    Float32Array.from({ length: tokens * tokens }, (_, i) =>
      i % tokens > Math.floor(i / tokens) ? -1e9 : 0,
    ),
    [tokens, tokens],
  );
  const layer = (input: T): T => {
    const n = norm('input_layernorm.weight', input);
    const q = rotate(perHead(linear('self_attn.q_proj', n), heads)).transpose([1, 0, 2]);
    const k = repeat(rotate(perHead(linear('self_attn.k_proj', n), keyHeads))).transpose([1, 0, 2]);
    const v = repeat(perHead(linear('self_attn.v_proj', n), keyHeads)).transpose([1, 0, 2]);
    const p = tfjs.softmax(
      tfjs
        .matMul(q as never, k as never, false, true)
        .div(Math.sqrt(width))
        .add(mask),
    );
    const o = tfjs
      .matMul(p as never, v as never)
      .transpose([1, 0, 2])
      .reshape([tokens, heads * width]);
    const x1 = input.add(linear('self_attn.o_proj', o as T));
    const n2 = norm('post_attention_layernorm.weight', x1);
    const gate = linear('mlp.gate_proj', n2);
    return x1.add(linear('mlp.down_proj', gate.mul(gate.sigmoid()).mul(linear('mlp.up_proj', n2))));
  };
  const theirs = tfjs.tidy(() => {
    const input = tfjs.tensor(x, shape) as T;
    return {
      y: layer(input).dataSync(),
      dx: tfjs
        .grad((t) => layer(t as T))(input, tfjs.tensor(dy, shape))
        .dataSync(),
    };
  });

  const batch = makeBatchContext({ architecture: llama, config }, [{ tokens }], 'f32');
  const context = batch.layer(0);
  const ours = tidy(() => {
    const f32 = (t: Tensor): Tensor => cast(t, 'f32');
    const small: LayerWeights = {
      matrixDtype: 'f32',
      linear: (name) => ({ kind: 'full', weight: fromTfjsCopy(matrix(name)) }),
      tensor: (name) => f32(w.tensor(name)),
      stored: (name) => w.stored(name),
      derived: (owner, name, make) => w.derived(owner, name, make),
      scoped: (use) => w.scoped(use),
    };
    const lin = plainLinears(small);
    const input = tensor(x, shape);
    return {
      y: toFloat64Array(llama.layerForward(input, small, lin, context, config)),
      dx: toFloat64Array(llama.layerBackward(input, tensor(dy, shape), small, lin, context, config)),
    };
  });
  batch.dispose();
  w.dispose();
  expect(maxRelative(ours.y, theirs.y)).toBeLessThan(1e-5);
  expect(maxRelative(ours.dx, theirs.dx)).toBeLessThan(1e-5);
});

const fromTfjsCopy = (t: { dataSync(): ArrayLike<number>; shape: number[] }): Tensor =>
  tensor(Float32Array.from(t.dataSync()), t.shape);
