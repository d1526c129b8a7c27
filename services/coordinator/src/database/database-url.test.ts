import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { databaseUrlOf } from './database-url.ts';

function secret(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'emloc-secret-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'secret');
  writeFileSync(path, text);
  return path;
}

test('without a variable there is no URL; an empty one is none', () => {
  expect(databaseUrlOf({})).toBeUndefined();
  expect(databaseUrlOf({ EMLOC_DATABASE_URL: '' })).toBeUndefined();
});

test('a URL comes from its variable or a file, a password from a file, whatever is in it', () => {
  const url = 'postgresql://emloc@postgres:5432/emloc?sslmode=require';
  expect(databaseUrlOf({ EMLOC_DATABASE_URL: url })).toBe(url);
  expect(databaseUrlOf({ EMLOC_DATABASE_URL_FILE: secret(`${url}\n`) })).toBe(url);
  const whole = databaseUrlOf({
    EMLOC_DATABASE_URL: url,
    EMLOC_DATABASE_PASSWORD_FILE: secret('a/b@c:d%41 e\n'),
  });
  const read = new URL(whole ?? '');
  expect(decodeURIComponent(read.password)).toBe('a/b@c:d%41 e');
  expect([read.username, read.host, read.pathname, read.search]).toEqual([
    'emloc',
    'postgres:5432',
    '/emloc',
    '?sslmode=require',
  ]);
});

test.each([
  ['EMLOC_DATABASE_URL', { EMLOC_DATABASE_URL: 'mysql://root:hunter2@db/x' }],
  ['EMLOC_DATABASE_URL', { EMLOC_DATABASE_URL: 'postgres' }],
  ['EMLOC_DATABASE_URL_FILE', { EMLOC_DATABASE_URL_FILE: '/nowhere/url' }],
  ['EMLOC_DATABASE_URL_FILE', { EMLOC_DATABASE_URL: 'postgresql://a/b', EMLOC_DATABASE_URL_FILE: '/x' }],
  ['EMLOC_DATABASE_PASSWORD_FILE', { EMLOC_DATABASE_PASSWORD_FILE: '/nowhere/password' }],
  [
    'EMLOC_DATABASE_PASSWORD_FILE',
    { EMLOC_DATABASE_URL: 'postgresql://a/b', EMLOC_DATABASE_PASSWORD_FILE: '/nowhere/password' },
  ],
])('%s that cannot be used is named, and no password told', (field, env) => {
  const read = (): unknown => databaseUrlOf(env as Record<string, string>);
  expect(read).toThrow(expect.objectContaining({ reason: 'BAD_ENVIRONMENT', field }));
  expect(read).not.toThrow(/hunter2/);
});

test('an empty secret is refused', () => {
  const env = { EMLOC_DATABASE_URL: 'postgresql://a/b', EMLOC_DATABASE_PASSWORD_FILE: secret('\n') };
  expect(() => databaseUrlOf(env)).toThrow(/is empty/);
});
