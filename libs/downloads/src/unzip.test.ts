import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { readZipText, unzipEntries } from './unzip.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

/** An archive of stored (uncompressed) files, by the format's own layout. */
function zipOf(files: Record<string, string>, damage?: string): string {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const body = name === damage ? Buffer.from(text.replace(/./, '#')) : data;
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), body]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0', 'latin1'), fields, tail, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(central.length, 8);
  end.writeUInt16LE(central.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  const path = join(temporaryDirectory(), 'a.zip');
  writeFileSync(path, Buffer.concat([...locals, directory, end]));
  return path;
}

test('the selected files are written, under the names chosen', async () => {
  const out = temporaryDirectory();
  const zip = zipOf({ 'a/x.bin': 'hello', 'a/y.txt': 'no' });
  const seen: number[] = [];
  const files = await unzipEntries(zip, out, {
    select: (name) => (name.endsWith('.bin') ? 'z' : false),
    onProgress: (p) => seen.push(p.doneBytes),
  });
  expect(files).toEqual([{ name: 'a/x.bin', path: join(out, 'z'), bytes: 5 }]);
  expect(readFileSync(join(out, 'z'), 'utf8')).toBe('hello');
  expect(seen.at(-1)).toBe(5);
});

test('a text is read by its name, and refused where it is damaged', async () => {
  const files = { 'a/METADATA': 'Name: a', 'a/x': 'x' };
  expect(await readZipText(zipOf(files), /^[^/]+\/METADATA$/)).toBe('Name: a');
  expect(await readZipText(zipOf(files), /absent/)).toBeUndefined();
  await expect(readZipText(zipOf(files, 'a/METADATA'), /METADATA/)).rejects.toMatchObject({
    reason: 'BAD_ARCHIVE',
  });
});

test('a damaged file is refused and not left behind', async () => {
  const out = temporaryDirectory();
  await expect(unzipEntries(zipOf({ x: 'hello' }, 'x'), out)).rejects.toMatchObject({ code: 'DATA_LOSS' });
  expect(readdirSync(out)).toEqual([]);
});

test('what is no archive, and what climbs out of the folder, is refused', async () => {
  const text = join(temporaryDirectory(), 'a.zip');
  writeFileSync(text, 'not a zip');
  await expect(unzipEntries(text, temporaryDirectory())).rejects.toMatchObject({ reason: 'BAD_ARCHIVE' });
  await expect(unzipEntries(zipOf({ '../x': 'hello' }), temporaryDirectory())).rejects.toMatchObject({
    reason: 'BAD_ARCHIVE',
  });
});
