import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSafetensorsHeader } from './header.ts';
import { readTensorBytes } from './read.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { SafetensorsWriter, writeSafetensors } from './write.ts';

const infos = [
  { name: 'odd', dtype: 'bf16', shape: [3] },
  { name: 'wide', dtype: 'f64', shape: [1] },
  { name: 'row', dtype: 'f32', shape: [16] },
  { name: 'none', dtype: 'f32', shape: [0, 4] },
] as const;
const bytesOf = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 31 + n) & 255);

test('what is written in pieces and out of order is read back, mappable tensors on 64-byte borders', () => {
  const path = join(temporaryDirectory(), 'a.safetensors');
  const writer = new SafetensorsWriter(path, infos, { made: 'here "quoted" ü' });
  writer.write('row', bytesOf(64).subarray(40), 40);
  writer.write('odd', bytesOf(6));
  writer.write('row', bytesOf(64).subarray(0, 40));
  writer.write('wide', bytesOf(8));
  writer.finish();
  const file = readSafetensorsHeader(path);
  expect(file.metadata).toEqual({ made: 'here "quoted" ü' });
  expect(file.tensors.get('row')!.begin % 64).toBe(0);
  expect(file.tensors.get('wide')!.begin % 8).toBe(0);
  for (const [name, n] of [
    ['row', 64],
    ['odd', 6],
    ['wide', 8],
    ['none', 0],
  ] as const) {
    expect(readTensorBytes(file, name)).toEqual(bytesOf(n));
  }
  expect(file.tensors.get('none')).toMatchObject({ shape: [0, 4] });
});

test('nothing is in place until all is written, and nothing is left after an abort', () => {
  const out = temporaryDirectory();
  const path = join(out, 'a.safetensors');
  const writer = new SafetensorsWriter(path, infos);
  writer.write('row', bytesOf(64).subarray(0, 63));
  writer.write('wide', bytesOf(8));
  writer.write('odd', bytesOf(6));
  expect(() => writer.finish()).toThrow(/row was not written whole/);
  expect(readdirSync(out)).not.toContain('a.safetensors');
  writer.abort();
  expect(readdirSync(out)).toEqual([]);
  expect(() => writer.write('row', bytesOf(64))).toThrow(/finished or aborted/);
});

test('a wrong length, an unknown name, and a name twice are refused', () => {
  const path = join(temporaryDirectory(), 'a.safetensors');
  using writer = new SafetensorsWriter(path, infos);
  expect(() => writer.write('odd', bytesOf(7))).toThrow(/7 bytes at 0 do not fit odd, which has 6/);
  expect(() => writer.write('odd', bytesOf(6), 1)).toThrow(/do not fit/);
  expect(() => writer.write('new', bytesOf(7))).toThrow(/not laid out for new/);
  expect(() => new SafetensorsWriter(path, [infos[0], infos[0]])).toThrow(/twice/);
  expect(() => new SafetensorsWriter(path, [{ ...infos[0], name: '__metadata__' }])).toThrow(/__metadata__/);
});

test('a file that cannot fit on the disk is refused before it is written', () => {
  const out = temporaryDirectory();
  const huge = { name: 'x', dtype: 'f64', shape: [2 ** 49] } as const;
  expect(() => new SafetensorsWriter(join(out, 'a'), [huge])).toThrow(/do not fit on the disk/);
  expect(readdirSync(out)).toEqual([]);
});

test('a whole file at once, without any tensor too', () => {
  const path = join(temporaryDirectory(), 'a.safetensors');
  writeSafetensors(path, []);
  expect(readSafetensorsHeader(path).tensors.size).toBe(0);
  writeSafetensors(path, [{ name: 'x', dtype: 'u8', shape: [3], bytes: bytesOf(3) }]);
  expect(readTensorBytes(readSafetensorsHeader(path), 'x')).toEqual(bytesOf(3));
});
