import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  linear,
  liveTensors,
  MappedFile,
  ones,
  readMemory,
  startEngine,
  sum,
  tensor,
  tidy,
  toArray,
  toNumber,
} from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-mapped-'));
const rows = 4096;
const columns = 4096;
const megabytes = 2 ** 20;
const big = join(directory, 'big.bin');
const small = join(directory, 'small.bin');

beforeAll(async () => {
  await startEngine();
  // bf16 ones: 0x3f80
  writeFileSync(big, Buffer.from(new Uint16Array(rows * columns).fill(0x3f80).buffer));
  writeFileSync(small, Buffer.from(Float32Array.from({ length: 64 }, (_, i) => i).buffer));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const whole = { dtype: 'bf16', shape: [rows, columns], begin: 0, end: rows * columns * 2 } as const;

test('an aligned tensor of a mapped file takes no private memory, and is right', () => {
  using file = new MappedFile(big);
  const before = readMemory();
  using w = file.tensor(whole);
  // Touches every page without a copy as large as the tensor.
  const total = tidy(() => toNumber(sum(sum(w, 1), 0)));
  const after = readMemory();
  expect(total).toBe(rows * columns);
  const grown = (after.rssAnonBytes - before.rssAnonBytes) / megabytes;
  expect(grown).toBeLessThan(w.byteLength / megabytes / 2);
  if (process.platform === 'linux') {
    expect((after.rssFileBytes - before.rssFileBytes) / megabytes).toBeGreaterThan(
      w.byteLength / megabytes / 2,
    );
  }
});

test('pages that are forgotten are read again', () => {
  using file = new MappedFile(big);
  using w = file.tensor(whole);
  expect(tidy(() => toNumber(sum(sum(w, 1), 0)))).toBe(rows * columns);
  const touched = readMemory().rssFileBytes;
  file.forget();
  if (process.platform === 'linux') expect(readMemory().rssFileBytes).toBeLessThan(touched - 16 * megabytes);
  file.willNeed(0, 4096);
  expect(tidy(() => toArray(linear(ones([1, columns]), w)))[rows - 1]).toBe(columns);
});

test('tensors at offsets that are not aligned are right too', () => {
  using file = new MappedFile(small);
  for (const begin of [0, 4, 64, 100]) {
    using t = file.tensor({ dtype: 'f32', shape: [3], begin, end: begin + 12 });
    expect(toArray(t)).toEqual([begin / 4, begin / 4 + 1, begin / 4 + 2]);
  }
});

test('a tensor at an offset that is not aligned is in memory once: its own copy, not the pages it was read from', () => {
  using file = new MappedFile(big);
  file.forget();
  const before = readMemory();
  const side = { shape: [rows - 1, columns], begin: 8, end: 8 + (rows - 1) * columns * 2 } as const;
  using w = file.tensor({ dtype: 'bf16', ...side });
  const grown = (readMemory().rssBytes - before.rssBytes) / megabytes;
  expect(grown).toBeLessThan((1.25 * w.byteLength) / megabytes);
  expect(tidy(() => toArray(linear(ones([1, columns]), w)))[rows - 2]).toBe(columns);
});

test('a file that is closed stays mapped until its last tensor ends', () => {
  const before = liveTensors().count;
  const file = new MappedFile(small);
  const a = file.tensor({ dtype: 'f32', shape: [4], begin: 0, end: 16 });
  const b = file.tensor({ dtype: 'f32', shape: [4], begin: 64, end: 80 });
  file.close();
  file.close();
  expect(toArray(a)).toEqual([0, 1, 2, 3]);
  a.dispose();
  expect(toArray(b)).toEqual([16, 17, 18, 19]);
  b.dispose();
  expect(liveTensors().count).toBe(before);
  expect(() => file.tensor({ dtype: 'f32', shape: [4], begin: 0, end: 16 })).toThrow('closed');
});

test('what was computed from a mapped tensor outlives the mapping', () => {
  const file = new MappedFile(small);
  const doubled = tidy(() => sum(file.tensor({ dtype: 'f32', shape: [2, 2], begin: 64, end: 80 }), 0));
  file.close();
  expect(toArray(doubled)).toEqual([34, 36]);
  doubled.dispose();
});

test('an op never writes its result into the mapping', () => {
  using file = new MappedFile(small);
  const info = { dtype: 'f32', shape: [64], begin: 0, end: 256 } as const;
  tidy(() => tensor(toArray(file.tensor(info))));
  using t = file.tensor(info);
  expect(toArray(t)[63]).toBe(63);
});

test('a file that shrank is told before its missing part is touched', () => {
  const path = join(directory, 'shrinks.bin');
  writeFileSync(path, Buffer.alloc(8192));
  using file = new MappedFile(path);
  truncateSync(path, 4096);
  expect(() => file.tensor({ dtype: 'u8', shape: [8], begin: 0, end: 8 })).toThrow(
    expect.objectContaining({ code: 'DATA_LOSS', reason: 'FILE_SHRANK', value: path }),
  );
});

test('offsets that are no such tensor, and files that are not there, are refused', () => {
  using file = new MappedFile(small);
  expect(() => file.tensor({ dtype: 'f32', shape: [65], begin: 0, end: 260 })).toThrow(
    'are no tensor f32[65]',
  );
  expect(() => file.tensor({ dtype: 'f32', shape: [2], begin: 0, end: 12 })).toThrow('are no tensor f32[2]');
  expect(() => new MappedFile(join(directory, 'nowhere'))).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND' }),
  );
  writeFileSync(join(directory, 'empty'), '');
  new MappedFile(join(directory, 'empty')).close();
});
