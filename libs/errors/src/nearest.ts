/** What somebody who mistyped a name may have meant, for a mend that suggests it. */

/** Shares of the typed name that may be wrong; one letter always may. */
const wrongAtMost = 0.4;
const suggestionsAtMost = 3;

/** Those of `names` that differ little from what was typed, whatever the case of letters, the nearest first. */
export function nearest(typed: string, names: readonly string[]): string[] {
  const farthest = Math.max(1, wrongAtMost * typed.length);
  return names
    .map((name) => ({ name, far: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ far }) => far <= farthest)
    .sort((a, b) => a.far - b.far)
    .slice(0, suggestionsAtMost)
    .map(({ name }) => name);
}

/** Letters put in, left out, changed, or changed places with the next (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, changed);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, above] = [above, row];
  }
  return above[b.length]!;
}
