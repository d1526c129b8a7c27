import { expect, test } from 'vitest';
import { padBatch } from './pad-batch.ts';

test('rows are padded on the right, to a multiple where asked', () => {
  const rows = [
    { inputIds: [1, 2, 3], labels: [-100, 2, 3] },
    { inputIds: [4], labels: [-100] },
  ];
  expect(padBatch(rows, { padId: 9, multiple: 2 })).toEqual({
    ids: Int32Array.of(1, 2, 3, 9, 4, 9, 9, 9),
    labels: Int32Array.of(-100, 2, 3, -100, -100, -100, -100, -100),
    lengths: Int32Array.of(3, 1),
    shape: [2, 4],
  });
});
