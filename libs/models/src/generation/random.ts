/** Draws that are a function of where they are made: nothing has a generator's state. */

/** In [0, 1), 32 bits that depend on every one of these numbers (murmur3 over their halves). */
export const uniformAt = (...parts: readonly number[]): number => {
  let hash = 0x9747b28c;
  for (const part of parts)
    for (const word of [part >>> 0, Math.floor(part / 2 ** 32) >>> 0]) {
      const mixed = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
      hash = (Math.imul(rotate(hash ^ mixed, 13), 5) + 0xe6546b64) | 0;
    }
  hash ^= 8 * parts.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
