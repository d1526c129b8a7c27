import { expect, test } from 'vitest';
import { chooseCandidate, correctionCandidates, toEvaluations, type Candidate } from './candidates.ts';

const reference = (digest: string) => ({ digest, uri: '', byteSize: 1 });
const candidate = (name: string, loss: number, written = true): Candidate => ({
  evaluation: { name, method: 'none', loss, rows: 4 },
  adapter: written ? reference(name) : undefined,
});

test('the lowest loss of those that were written wins, the plainer one where two are equal', () => {
  const all = [candidate('none', 2), candidate('dropped', 1, false), candidate('refined', 2)];
  const chosen = chooseCandidate(all);
  expect(chosen.evaluation.name).toBe('none');
  expect(toEvaluations(all, chosen).map((each) => each.chosen)).toEqual([true, false, false]);
  expect(chooseCandidate([candidate('none', NaN), candidate('refined', 5)]).evaluation.name).toBe('refined');
});

test('of what a correction compared only the chosen one has an adapter', () => {
  const shared = { method: 'none', loss: 1, rows: 4 } as const;
  const corrected = {
    adapter: reference('c'),
    candidates: [
      { name: 'none', ...shared, chosen: false },
      { name: 'none x1.25', ...shared, chosen: true },
    ],
  } as never;
  expect(correctionCandidates(corrected).map(({ adapter }) => adapter?.digest)).toEqual([undefined, 'c']);
});
