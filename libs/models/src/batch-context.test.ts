import { liveTensors, startEngine, tidy } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { llama } from './architectures/llama/index.ts';
import { makeBatchContext, type SequenceLayout } from './batch-context.ts';
import { attention, attentionBackward, type Heads } from './layers/attention.ts';
import { maxRelative, random, values } from './testing/fixture.ts';
import { tinyConfig } from './testing/tiny-config.ts';
import type { AttentionKind, BatchContext, ModelOf } from './types.ts';

beforeAll(() => startEngine());

const rope = { theta: 10000, dims: 8 };
/** A Llama whose layers attend in these ways, by turns. */
const turns = (...kinds: AttentionKind[]): ModelOf => ({
  config: tinyConfig(),
  architecture: {
    ...llama,
    attentionKinds: () => kinds,
    attentionKindOf: (_, layer) => layer % kinds.length,
  } as ModelOf['architecture'],
});
const windowed = (window: number): ModelOf => turns({ rope, scale: 1, window });

const seen = (context: BatchContext, block: number, layer = 0): number[][] => {
  const mask = context.layer(layer).blocks[block]!.mask!;
  const width = mask.shape[1]!;
  const all = [...values(mask)].map((x) => +(x === 0));
  return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
};

describe('a window', () => {
  test('lets a query see itself and what is near enough before it', () => {
    const context = makeBatchContext(windowed(2), [{ tokens: 4 }], 'f64');
    expect(seen(context, 0)).toEqual([
      [1, 0, 0, 0],
      [1, 1, 0, 0],
      [0, 1, 1, 0],
      [0, 0, 1, 1],
    ]);
    context.dispose();
  });

  test('reaches into a shared prefix as far as it would into a sequence of its own', () => {
    const context = makeBatchContext(windowed(3), [{ tokens: 2 }], 'f64', 4);
    const alone = makeBatchContext(windowed(3), [{ tokens: 6 }], 'f64');
    expect(seen(context, 0)).toEqual(
      seen(alone, 0)
        .slice(0, 4)
        .map((row) => row.slice(0, 4)),
    );
    expect(seen(context, 1)).toEqual(seen(alone, 0).slice(4));
    context.dispose();
    alone.dispose();
  });

  test('counts positions where rows are a tree', () => {
    // Two branches of two tokens after a prompt of two: rows 2, 3 and 4, 5 stand at positions 2, 3.
    const tree: SequenceLayout = {
      tokens: 6,
      positions: [0, 1, 2, 3, 2, 3],
      visible: (i, j) => j <= i && (i < 4 || j < 2 || j >= 4),
    };
    const context = makeBatchContext(windowed(3), [tree], 'f64');
    expect(seen(context, 0).slice(3)).toEqual([
      [0, 1, 1, 1, 0, 0],
      [1, 1, 0, 0, 1, 0],
      [0, 1, 0, 0, 1, 1],
    ]);
    context.dispose();
    const shared = makeBatchContext(
      windowed(3),
      [{ tokens: 4, positions: [2, 3, 2, 3], visible: (i, j) => tree.visible!(i + 2, j + 2) }],
      'f64',
      2,
    );
    expect(seen(shared, 1)[1]).toEqual([0, 1, 1, 1, 0, 0]);
    expect(seen(shared, 1)[3]).toEqual([0, 1, 0, 0, 1, 1]);
    shared.dispose();
  });

  test.each([8 * 2 * 7, 8 * 2 * 20])(
    'is honoured by scores in tiles of %i bytes that make their masks',
    (bytes) => {
      const [heads, keyHeads, width, rows] = [4, 2, 8, 7];
      const context = makeBatchContext(windowed(3), [{ tokens: 4 }], 'f64', 3).layer(0);
      tidy(() => {
        const inputs: Heads = {
          q: random([rows, heads, width], 3),
          k: random([rows, keyHeads, width], 4),
          v: random([rows, keyHeads, width], 5),
        };
        const dy = random([rows, heads * width], 6);
        const run = (blocks: typeof context.blocks, scoresBytes?: number): Float64Array[] => {
          const { output, states } = attention(inputs, { blocks }, scoresBytes);
          const d = attentionBackward(dy, inputs, states, { blocks }, scoresBytes);
          return [output, d.q, d.k, d.v].map(values);
        };
        const whole = run(context.blocks);
        const tiled = run(
          context.blocks.map((block) => ({ ...block, mask: undefined })),
          bytes,
        );
        tiled.forEach((part, i) => expect(maxRelative(part, whole[i]!)).toBeLessThan(1e-12));
      });
    },
  );
});

test('layers of one kind share tables and masks, and a window that hides nothing is none', () => {
  const before = liveTensors().count;
  const model = turns({ rope, scale: 1, window: 4 }, { rope: { ...rope, theta: 1e6 }, scale: 2 });
  const context = makeBatchContext(model, [{ tokens: 4 }, { tokens: 4 }], 'f64');
  const [local, global, again] = [0, 1, 2].map((layer) => context.layer(layer)) as [
    ReturnType<BatchContext['layer']>,
    ReturnType<BatchContext['layer']>,
    ReturnType<BatchContext['layer']>,
  ];
  expect(local.blocks).toBe(global.blocks);
  expect(again.queryRope).toBe(local.queryRope);
  expect(liveTensors().count - before).toBe(1 + 2 * 4); // a mask, and cos and sin of queries and keys for each kind
  expect(values(global.queryRope.rotation!.cos)[8]).toBeCloseTo(2 * Math.cos(1), 12);
  context.dispose();

  const longer = makeBatchContext(model, [{ tokens: 5 }], 'f64');
  expect(longer.layer(0).blocks[0]!.window).toBe(4);
  expect(longer.layer(1).blocks[0]!.window).toBeUndefined();
  longer.dispose();
  expect(liveTensors().count).toBe(before);
});

test('without a rotary embedding only the scale is left', () => {
  const context = makeBatchContext(turns({ scale: 0.25 }), [{ tokens: 3 }], 'f64');
  const { queryRope, keyRope, positions } = context.layer(0);
  expect(queryRope).toEqual({ headDim: 8, rotation: undefined, scale: 0.25 });
  expect(keyRope.scale).toBe(1);
  expect([...positions]).toEqual([0, 1, 2]);
  context.dispose();
});
