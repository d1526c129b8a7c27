import { beforeAll, expect, test } from 'vitest';
import * as e from './index.ts';

beforeAll(async () => {
  await e.startEngine();
});

const B = 8;
const D = 32;

test('a thousand training steps leave no tensor and no memory behind', () => {
  const w = e.randomNormal([D, D], { seed: 1 });
  const state = { a: e.mul(w, 0.1), b: e.zeros([D, D]), momentum: e.zeros([D, D]) };
  w.dispose();
  const losses: number[] = [];
  const step = (i: number): void => {
    const next = e.tidy(() => {
      const x = e.randomNormal([B, D], { seed: [2, i % 7] });
      const hidden = e.matmul(x, state.a, { transposeB: true });
      const active = e.silu(hidden);
      const y = e.matmul(active, state.b, { transposeB: true });
      const error = e.sub(y, x);
      losses.push(e.toNumber(e.mean(e.square(error))));
      const dy = e.mul(error, 2 / (B * D));
      const db = e.matmul(dy, active, { transposeA: true });
      const gate = e.sigmoid(hidden);
      const dActive = e.matmul(dy, state.b);
      const dHidden = e.mul(dActive, e.mul(gate, e.add(1, e.mul(hidden, e.sub(1, gate)))));
      const da = e.matmul(dHidden, x, { transposeA: true });
      const momentum = e.add(e.mul(state.momentum, 0.9), db);
      // A rate that changes with every step, as a schedule's does: constants must not pile up.
      const rate = 0.5 / (1 + i / 1000);
      return { momentum, a: e.sub(state.a, e.mul(da, rate)), b: e.sub(state.b, e.mul(momentum, rate)) };
    });
    for (const key of ['a', 'b', 'momentum'] as const) {
      state[key].dispose();
      state[key] = next[key];
    }
  };
  for (let i = 0; i < 100; i++) step(i);
  const before = { live: e.liveTensors(), anonymous: e.readMemory().rssAnonBytes };
  for (let i = 100; i < 1100; i++) step(i);
  expect(e.liveTensors()).toEqual(before.live);
  expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.5);
  // V8's own heap breathes by some megabytes; one leaked tensor a step would be 4 MB of handles and elements more.
  expect((e.readMemory().rssAnonBytes - before.anonymous) / 2 ** 20).toBeLessThan(24);
  Object.values(state).forEach((t) => t.dispose());
});

test('failed ops leave nothing', () => {
  using a = e.zeros([2, 3]);
  const before = e.liveTensors();
  for (let i = 0; i < 500; i++) expect(() => e.tidy(() => e.matmul(e.add(a, 1), a))).toThrow();
  expect(e.liveTensors()).toEqual(before);
});
