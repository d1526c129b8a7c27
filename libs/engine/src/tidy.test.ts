import { beforeAll, expect, test } from 'vitest';
import { add, keep, liveTensors, ones, startEngine, tensor, tidy, toArray } from './index.ts';

beforeAll(async () => {
  await startEngine();
});

test('what is made inside ends inside, what is returned lives on', () => {
  const before = liveTensors();
  const { sum, list } = tidy(() => {
    const a = ones([2]);
    const b = add(a, a);
    return { sum: add(a, b), list: [b, { nested: add(b, 1) }] as const };
  });
  expect(liveTensors().count).toBe(before.count + 3);
  expect(toArray(sum)).toEqual([3, 3]);
  expect(toArray(list[1].nested)).toEqual([3, 3]);
  for (const t of [sum, list[0], list[1].nested]) t.dispose();
  expect(liveTensors()).toEqual(before);
});

test('a returned tensor belongs to the scope outside', () => {
  const before = liveTensors().count;
  const last = tidy(() => {
    const inner = tidy(() => add(ones([2]), 1));
    expect(inner.disposed).toBe(false);
    return add(inner, 1);
  });
  expect(liveTensors().count).toBe(before + 1);
  last.dispose();
});

test('a kept tensor outlives every scope', () => {
  const before = liveTensors().count;
  const kept = tidy(() => tidy(() => keep(ones([3]))));
  expect(liveTensors().count).toBe(before + 1);
  kept.dispose();
  kept.dispose();
  expect(liveTensors().count).toBe(before);
});

test('an error disposes all, and the scope outside goes on', () => {
  const before = liveTensors().count;
  tidy(() => {
    expect(() =>
      tidy(() => {
        ones([4]);
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(liveTensors().count).toBe(before);
    ones([2]);
  });
  expect(liveTensors().count).toBe(before);
});

test('a tensor from outside is left alone', () => {
  using outside = ones([2]);
  expect(tidy(() => outside)).toBe(outside);
  expect(outside.disposed).toBe(false);
});

test('an asynchronous function is refused', () => {
  expect(() => tidy(async () => ones([1]))).toThrow('not asynchronous');
});

test('a disposed tensor is refused by name', () => {
  const gone = tensor([1]);
  gone.dispose();
  expect(() => add(gone, 1)).toThrow('disposed');
  expect(() => gone.shape).toThrow('disposed');
  expect(String(gone)).toBe('Tensor(disposed)');
});
