/**
 * Seeded random numbers that do not depend on where they are drawn: a stream of its own for every name, so that a
 * module's initial values stay the same whatever else is adapted, and a run can go on without a generator's state.
 */

/** 32 bits that depend on every one of `parts` (FNV-1a, then murmur3's finish). */
export function hash32(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const part of parts) {
    for (const character of `${part}\u0000`) {
      hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A stream of uniform numbers in [0, 1) with 32 bits each (Vigna and Blackman's xoshiro128**). */
export function uniformStream(...seed: readonly (string | number)[]): () => number {
  const s = [0, 1, 2, 3].map((lane) => hash32(...seed, lane));
  let [a = 1, b = 2, c = 3, d = 4] = s;
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result / 2 ** 32;
  };
}
