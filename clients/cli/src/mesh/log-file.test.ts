import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LogFile } from './log-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-log-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('a disk without space loses lines and nothing else', () => {
  const path = join(directory, 'full.log');
  symlinkSync('/dev/full', path);
  const log = new LogFile(path);
  log.write('lost\n');
  log.close();
  log.write('after the end\n');
});

test('the last words are what JSON lines say, and other lines as they are', () => {
  const log = new LogFile(join(directory, 'service.log'));
  log.write('Error: broken\n');
  log.write(Buffer.from('{"level":"fatal","err":{"stack":"long"},"msg":"no space left"}\n'));
  expect(log.lastWords()).toBe('Error: broken\nno space left');
  log.close();
});

test('a log that has grown long is put aside', () => {
  const path = join(directory, 'long.log');
  writeFileSync(path, 'old');
  truncateSync(path, 10_000_001);
  const log = new LogFile(path);
  log.write('new\n');
  log.close();
  expect(readFileSync(path, 'utf8')).toBe('new\n');
  expect(readFileSync(`${path}.1`).length).toBe(10_000_001);
});
