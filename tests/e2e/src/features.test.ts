/**
 * FEATURES.md: a row for each golden fixture, and cells as its tests are: golden.test.ts compares each fixture in the
 * type that it is stored in, precisions.test.ts in the two others, generate.test.ts and its cache in the stored one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenFixtures } from './golden.ts';
import { fixturesDirectory, repositoryRoot } from './emloc.ts';

const lines = readFileSync(join(repositoryRoot, 'FEATURES.md'), 'utf8').split('\n');
const types = ['float32', 'float16', 'bfloat16'];

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

const storedType = (fixture: string): string => {
  const golden = readFileSync(join(fixturesDirectory, fixture, 'golden.json'), 'utf8');
  return (JSON.parse(golden) as { storedDtype?: string }).storedDtype ?? 'float32';
};

test('architecture × stage × precision: a row for each fixture, each cell as its tests are', () => {
  const head = lines.findIndex((line) => line.startsWith('| architecture (fixture) |'));
  const stages = cellsOf(lines[head] ?? '').slice(1);
  expect(stages).toEqual(['calibrate', 'compress', 'train', 'correct', 'merge', 'evaluate', 'generate']);
  const end = lines.findIndex((line, index) => index > head && line === '');
  const rows = lines.slice(head + 2, end).map(cellsOf);
  const fixtureOf = ([name = '']: string[]): string => /`(tiny-[\w-]+)`/.exec(name)?.[1] ?? name;
  expect(rows.map(fixtureOf).sort()).toEqual([...goldenFixtures].sort());
  for (const row of rows) {
    const stored = storedType(fixtureOf(row));
    const cell = (letters: string): string =>
      types.map((type) => (type === stored ? letters : 'P')).join(' · ');
    const expected = stages.map((stage) => cell({ evaluate: 'P', generate: 'K, P' }[stage] ?? 'G'));
    expect(row.slice(1), fixtureOf(row)).toEqual(expected);
  }
});

test('by architecture: a row for each fixture, too', () => {
  const head = lines.findIndex((line) => line.startsWith('| architecture | `model_type` |'));
  const end = lines.findIndex((line, index) => index > head && line === '');
  const rows = lines.slice(head + 2, end).map(cellsOf);
  const named = rows.map(([, type, , logits = '']) => [/`(tiny-[\w-]+)`/.exec(logits)?.[1], type]);
  const expected = goldenFixtures.map((fixture) => {
    const config = readFileSync(join(fixturesDirectory, fixture, 'config.json'), 'utf8');
    return [fixture, `\`${(JSON.parse(config) as { model_type: string }).model_type}\``];
  });
  expect(named.sort()).toEqual(expected.sort());
});
