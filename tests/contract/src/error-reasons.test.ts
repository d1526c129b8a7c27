/** docs/reference/errors.md against the code of libs and services, both ways, and against what goes over the wire. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { EmlocError, type ErrorCode } from '@emloc/errors';
import { toStatusMessage } from '@emloc/mesh';
import { repository } from './support/test-mesh.ts';

// A script for Node alone, without types.
const script = new URL('../../../tools/contracts/reasons.mjs', import.meta.url).href;
const { reasonsIn } = (await import(script)) as {
  reasonsIn(folders: readonly string[]): Map<string, Set<string>>;
};

interface Row {
  readonly reason: string;
  readonly codes: readonly string[];
  readonly meaning: string;
  readonly retry: string;
}

const page = readFileSync(join(repository, 'docs/reference/errors.md'), 'utf8');
const rows: readonly Row[] = [...page.matchAll(/^\| `([A-Z0-9_]+)` \| (.+) \|$/gm)].map(
  ([, reason = '', rest = '']) => {
    const [codes = '', meaning = '', , , retry = ''] = rest.split(' | ').map((cell) => cell.trim());
    return { reason, codes: codes.split(', '), meaning, retry };
  },
);
const thrown = reasonsIn([join(repository, 'libs'), join(repository, 'services')]);

test('every reason in the code is in the table, and the table has no other', () => {
  const documented = rows.map(({ reason }) => reason);
  expect(thrown.size).toBeGreaterThan(200);
  expect([...documented].sort()).toEqual([...new Set(documented)].sort());
  expect([...thrown.keys()].filter((reason) => !documented.includes(reason))).toEqual([]);
  expect(documented.filter((reason) => !thrown.has(reason))).toEqual([]);
});

test('each has the codes that it is thrown with, and says what it means', () => {
  for (const { reason, codes, meaning, retry } of rows) {
    expect(codes, reason).toEqual(expect.arrayContaining([...(thrown.get(reason) ?? [])]));
    expect(meaning.length, reason).toBeGreaterThan(15);
    expect(['no', 'again', 'RetryInfo', 'RetryInfo with UNAVAILABLE'], reason).toContain(retry);
  }
});

test('RetryInfo goes with exactly those errors that the table says', () => {
  for (const { reason, codes, retry } of rows) {
    for (const code of codes) {
      const { details } = toStatusMessage(new EmlocError(code as ErrorCode, reason, 'x'));
      const attached = details.some(({ type_url }) => type_url.endsWith('/google.rpc.RetryInfo'));
      const said = retry === 'RetryInfo' || retry === `RetryInfo with ${code}`;
      expect(attached, `${code} ${reason}`).toBe(said);
    }
  }
});

test('reasons are found where they are thrown: straight, through helpers, on either side of a condition', () => {
  const root = mkdtempSync(join(tmpdir(), 'emloc-reasons-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'testing'));
  const source = `
    throw new EmlocError('NOT_FOUND', 'STRAIGHT', 'x');
    const wrong = (reason: string, message: string) => new EmlocError('DATA_LOSS', reason, message);
    throw wrong('THROUGH_A_HELPER', 'NOT_A_REASON');
    throw new EmlocError(a ? 'ABORTED' : 'INTERNAL', a ? 'ONE_SIDE' : 'OTHER_SIDE', 'x');
    if (error.reason === 'ONLY_COMPARED') return;
  `;
  writeFileSync(join(root, 'a.ts'), source);
  for (const name of ['a.test.ts', 'testing/b.ts'])
    writeFileSync(join(root, name), `new EmlocError('NOT_FOUND', 'OF_A_TEST', 'x')`);
  expect(Object.fromEntries([...reasonsIn([root])].map(([reason, codes]) => [reason, [...codes]]))).toEqual({
    STRAIGHT: ['NOT_FOUND'],
    THROUGH_A_HELPER: ['DATA_LOSS'],
    ONE_SIDE: ['ABORTED'],
    OTHER_SIDE: ['INTERNAL'],
  });
});
