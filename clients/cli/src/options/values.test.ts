import { expect, test } from 'vitest';
import { UsageError } from '../usage-error.ts';
import { numberIn, oneOf, wholeNumber, wordOr } from './values.ts';

const ratio = numberIn('--ratio', { min: 0, aboveMin: true, max: 1 }, '0.5');

test('a ratio in (0, 1] is taken', () => {
  expect(ratio('0.5')).toBe(0.5);
  expect(ratio('1')).toBe(1);
  expect(ratio('1e-2')).toBe(0.01);
});

test.each(['0', '1.5', '-0.1', 'half', '', 'NaN', 'Infinity'])(
  'ratio %j is refused with field, value and mend',
  (typed) => {
    expect(() => ratio(typed)).toThrow(UsageError);
    try {
      ratio(typed);
    } catch (error) {
      expect(error).toMatchObject({ field: '--ratio', value: typed, mend: 'choose a number such as 0.5' });
    }
  },
);

test('the range is said as it is', () => {
  expect(() => ratio('0')).toThrow('0 is not in (0, 1]');
  expect(() => wholeNumber('--max-steps', 1, '500')('0')).toThrow('0 is not in [1, ∞)');
});

test('a whole number is whole', () => {
  expect(wholeNumber('--seed', 0, '1')('12')).toBe(12);
  expect(() => wholeNumber('--seed', 0, '1')('1.5')).toThrow('1.5 is not a whole number');
});

test('a word that is not offered is refused with those that are', () => {
  expect(oneOf('--method', ['auto', 'paper', 'none'])('auto')).toBe('auto');
  expect(() => oneOf('--method', ['auto', 'paper', 'none'])('best')).toThrow(
    "'best' is not one of auto, paper, none",
  );
});

test('a word may stand for a number', () => {
  const steps = wordOr('all', wholeNumber('--refine-steps', 0, '60 (or all)'));
  expect(steps('all')).toBe('all');
  expect(steps('0')).toBe(0);
  expect(() => steps('most')).toThrow(
    expect.objectContaining({ mend: 'choose a whole number such as 60 (or all)' }),
  );
});
