import { expect, test } from 'vitest';
import { LabelCheck, type LabelNeed } from './require-labels.ts';
import { tokenizeRows, type TokenizedRow } from './tokenize-rows.ts';
import type { Row } from './rows.ts';

const row = (line: number, labels: number[]): Row => ({
  file: 'rows.jsonl',
  line,
  kind: 'tokens',
  inputIds: labels.map(() => 1),
  labels,
});
const rows = tokenizeRows([row(1, [-100, 1]), row(2, [-100, -100]), row(3, [1])], undefined);

function requireLabels(list: readonly TokenizedRow[], need: LabelNeed): void {
  const check = new LabelCheck(need);
  for (const each of list) check.see(each);
  check.end('rows.jsonl');
}

test('training wants labels in every row, and names the first that has none', () => {
  expect(() => requireLabels(rows, 'every')).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      reason: 'NO_LABELLED_TOKENS',
      field: 'rows.jsonl:2',
      mend: expect.stringContaining('labels other than -100'),
    }),
  );
  expect(() => requireLabels(rows.slice(0, 1), 'every')).not.toThrow();
});

test('a single token is learnt from nothing, whatever its label', () => {
  expect(() => requireLabels(rows.slice(2), 'every')).toThrow(/rows.jsonl:3: /);
});

test('evaluation wants labels in some row', () => {
  expect(() => requireLabels(rows, 'some')).not.toThrow();
  expect(() => requireLabels(rows.slice(1), 'some')).toThrow(
    expect.objectContaining({ reason: 'NO_LABELLED_TOKENS', field: 'rows.jsonl' }),
  );
});
