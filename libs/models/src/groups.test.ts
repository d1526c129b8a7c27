import { expect, test } from 'vitest';
import { groupsUpTo } from './groups.ts';

const cut = (sizes: number[], most: number): number[][] => groupsUpTo(sizes, most, (size) => size);

test('neighbours go together as long as their sizes fit, in their order', () => {
  expect(cut([3, 2, 5, 1, 4, 4], 5)).toEqual([[3, 2], [5], [1, 4], [4]]);
  expect(cut([0, 0, 0], 0)).toEqual([[0, 0, 0]]);
});

test('what is too large is alone, and nothing gives no group', () => {
  expect(cut([9, 1, 9, 1, 1], 2)).toEqual([[9], [1], [9], [1, 1]]);
  expect(cut([], 5)).toEqual([]);
});
