import { beforeAll, expect, test } from 'vitest';
import { matmul, ones, readMemory, resetPeak, settleMemory, startEngine, tidy, trimMemory } from './index.ts';

beforeAll(async () => {
  await startEngine();
});

test('a tensor is seen in private memory, and in the peak after it has ended', () => {
  const before = readMemory();
  const bytes = 64 * 2 ** 20;
  const t = ones([bytes / 4]);
  const during = readMemory();
  t.dispose();
  trimMemory();
  expect(during.rssAnonBytes - before.rssAnonBytes).toBeGreaterThan(bytes * 0.9);
  expect(readMemory().peakRssBytes).toBeGreaterThanOrEqual(during.rssBytes * 0.95);
  expect(during.rssBytes).toBeGreaterThanOrEqual(during.rssAnonBytes);
});

test('memory that ended tensors held is used again', () => {
  const bytes = 64 * 2 ** 20;
  ones([bytes / 4]).dispose();
  const before = readMemory();
  for (let i = 0; i < 10; i++) ones([bytes / 4]).dispose();
  expect(readMemory().rssAnonBytes - before.rssAnonBytes).toBeLessThan(bytes / 2);
});

test('small stacks of matrices of ever new shapes leave no memory behind', () => {
  const product = (rows: number): void =>
    tidy(() => void matmul(ones([4, rows, 64]), ones([4, rows + 8, 64]), { transposeB: true }));
  const settled = (): number => {
    settleMemory(performance.now(), 0);
    return readMemory().rssAnonBytes;
  };
  product(16);
  const before = settled();
  const shapes = 60;
  for (let i = 0; i < shapes; i++) product(24 + i);
  expect((settled() - before) / shapes).toBeLessThan(100e3); // oneDNN keeps 300 kB of each
});

test('the peak counts anew after a reset, where the system allows it', () => {
  if (!resetPeak()) return;
  const { peakRssBytes, rssBytes } = readMemory();
  expect(peakRssBytes).toBeLessThan(rssBytes * 1.1);
});

test('settling hands garbage back, and not more often than every few seconds', () => {
  const now = performance.now() + 3_600_000;
  settleMemory(now);
  const grown = Array.from({ length: 500_000 }, (_, i) => ({ i })).length;
  const used = process.memoryUsage().heapUsed;
  settleMemory(now + 1000);
  expect(process.memoryUsage().heapUsed).toBeGreaterThan(used * 0.95);
  settleMemory(now + 5000);
  expect(used - process.memoryUsage().heapUsed).toBeGreaterThan(grown * 16);
});
