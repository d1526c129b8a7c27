/** Cutting a list into pieces of a bounded size, in its order: rows into micro-batches, micro-batches into waves. */

/** Groups of neighbours whose sizes sum to at most `most`; what is larger by itself is a group of its own. */
export const groupsUpTo = <T>(items: readonly T[], most: number, sizeOf: (item: T) => number): T[][] => {
  const groups: T[][] = [];
  let sum = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (groups.length === 0 || sum + size > most) {
      groups.push([]);
      sum = 0;
    }
    groups.at(-1)!.push(item);
    sum += size;
  }
  return groups;
};
