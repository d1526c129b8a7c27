import { expect, test } from 'vitest';
import { byteLength, elementCount } from './dtype.ts';

test('a scalar holds one element, an empty axis none', () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([3, 0, 2])).toBe(0);
  expect(byteLength({ dtype: 'bf16', shape: [3, 5] })).toBe(30);
});
