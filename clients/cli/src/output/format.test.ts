import { expect, test } from 'vitest';
import { formatBytes, formatNumber, formatSeconds } from './format.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 KB'],
  [34_500_000, '34.5 MB'],
  [999_900, '1.00 MB'],
  [269_000_000, '269 MB'],
  [2.5e12, '2.50 TB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0.04, '0.0s'],
  [4.2, '4.2s'],
  [59.6, '1m00s'],
  [75, '1m15s'],
  [3725, '1h02m'],
])('%d seconds are %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

test.each([
  [0, '0'],
  [7.304765, '7.305'],
  [120, '120'],
  [0.0008, '8.000e-4'],
  [Number.NaN, 'NaN'],
])('%d is written %s', (value, text) => expect(formatNumber(value)).toBe(text));
