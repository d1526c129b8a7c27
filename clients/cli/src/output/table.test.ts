import { expect, test } from 'vitest';
import { pairs, table } from './table.ts';

test('columns line up, numbers to the right, absent cells are dashes', () => {
  const text = table(
    [{ title: 'linear' }, { title: 'rank', align: 'right' }],
    [
      ['q_proj', 16],
      ['down_proj', undefined],
    ],
  );
  expect(text).toBe(['linear     rank', '---------  ----', 'q_proj       16', 'down_proj     -'].join('\n'));
});

test('pairs line up', () => {
  expect(
    pairs([
      ['loss', 1.2],
      ['perplexity', 3.3],
    ]),
  ).toBe('loss        1.2\nperplexity  3.3');
});
