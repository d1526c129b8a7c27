/**
 * docs/reference/errors.md against the code of libs, services and clients, both ways, and against what goes over the wire;
 * and whether each reason is provoked somewhere (reasons/).
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { EmlocError, type ErrorCode } from '@emloc/errors';
import { toStatusMessage } from '@emloc/mesh';
import { makeCases, type TableCase } from './reasons/cases.ts';
import { reasonsNotMet, sectionsNotMet } from './reasons/not-met.ts';
import { readTable, type Row } from './reasons/table.ts';
import { repository } from './support/test-mesh.ts';

// A script for Node alone, without types.
const script = new URL('../../../tools/contracts/reasons.mjs', import.meta.url).href;
const { reasonsIn } = (await import(script)) as {
  reasonsIn(folders: readonly string[]): Map<string, Set<string>>;
};

const rows = readTable();
const clientSections = ['Command line', 'Clients'];
const inServices = reasonsIn([join(repository, 'libs'), join(repository, 'services')]);
const thrown = reasonsIn(['libs', 'services', 'clients/cli/src'].map((folder) => join(repository, folder)));

/** Of the clients in other languages: code and reason stand beside each other where an error is made. */
function reasonsOfClients(): string[] {
  const made = /(?:EmlocError\(\s*"[A-Z_]+",|errorf\(\s*codes\.\w+,)\s*"([A-Z_]+[A-Z])"/g;
  const sources = ['clients/python/src/emloc', 'clients/go'].flatMap((folder) =>
    readdirSync(join(repository, folder))
      .filter((name) => /\.(py|go)$/.test(name) && !name.endsWith('_test.go'))
      .map((name) => readFileSync(join(repository, folder, name), 'utf8')),
  );
  return sources.flatMap((text) => [...text.matchAll(made)].map(([, reason = '']) => reason));
}

test('every reason in the code is in the table, and the table has no other', () => {
  const documented = rows.map(({ reason }) => reason);
  const ofClients = [...reasonsOfClients(), 'JOB_PAUSED'];
  expect(inServices.size).toBeGreaterThan(200);
  expect(ofClients.length).toBeGreaterThan(20);
  expect([...documented].sort()).toEqual([...new Set(documented)].sort());
  const known = new Set([...thrown.keys(), ...ofClients]);
  expect([...known].filter((reason) => !documented.includes(reason))).toEqual([]);
  expect(documented.filter((reason) => !known.has(reason))).toEqual([]);
});

test('what services say stands in their sections, what only a client says in its own', () => {
  const ofClients = rows.filter(({ section }) => clientSections.includes(section));
  expect(ofClients.filter(({ reason }) => inServices.has(reason))).toEqual([]);
  const ofServices = rows.filter(({ section }) => !clientSections.includes(section));
  expect(ofServices.filter(({ reason }) => !inServices.has(reason))).toEqual([]);
});

test('each is provoked by the clients in other languages, or it is said why not', () => {
  const cases = casesInFolder();
  const met = new Set(cases.map(({ reason }) => reason));
  const said = (row: Row): boolean => reasonsNotMet.has(row.reason) || row.section in sectionsNotMet;
  expect(rows.filter((row) => met.has(row.reason) === said(row)).map(({ reason }) => reason)).toEqual([]);
  const known = new Map(rows.map((row) => [row.reason, row]));
  expect([...met, ...reasonsNotMet.keys()].filter((reason) => !known.has(reason))).toEqual([]);
  for (const { name, reason, code } of cases) expect(known.get(reason)?.codes, name).toContain(code);
  const names = cases.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  const sections = new Set(rows.map(({ section }) => section));
  expect(Object.keys(sectionsNotMet).filter((section) => !sections.has(section))).toEqual([]);
});

function casesInFolder(): TableCase[] {
  const root = mkdtempSync(join(tmpdir(), 'emloc-reasons-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return makeCases(join(root, 'cases'));
}

test('each has the codes that it is thrown with, and says what it means', () => {
  for (const { reason, codes, meaning, retry } of rows) {
    expect(codes, reason).toEqual(expect.arrayContaining([...(thrown.get(reason) ?? [])]));
    expect(meaning.length, reason).toBeGreaterThan(15);
    expect(['no', 'again', 'RetryInfo', 'RetryInfo with UNAVAILABLE'], reason).toContain(retry);
  }
});

test('RetryInfo goes with exactly those errors that the table says', () => {
  for (const { reason, codes, retry } of rows.filter(({ section }) => !clientSections.includes(section))) {
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
