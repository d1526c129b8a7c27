/**
 * Random numbers that are the same on every machine and in every release: xoshiro128** (Blackman and Vigna), its state
 * filled by splitmix32 from the seed and, where given, further numbers (an epoch, a purpose) that make streams of their
 * own. Not for secrets.
 */
export interface Random {
  /** 0 to 2³² − 1. */
  uint32(): number;
  /** From 0 up to but not 1, in steps of 2⁻⁵³. */
  float(): number;
  /** 0 to n − 1, each as likely. */
  below(n: number): number;
}

export function seededRandom(...seeds: readonly number[]): Random {
  const state = new Uint32Array(4);
  let mixed = 0x9e3779b9;
  for (const seed of seeds)
    mixed = splitmix32(mixed ^ (seed >>> 0)) ^ splitmix32(Math.floor(seed / 2 ** 32) >>> 0);
  for (let i = 0; i < 4; i++) state[i] = splitmix32((mixed = (mixed + 0x9e3779b9) >>> 0));
  const uint32 = (): number => {
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotate(state[3]!, 11);
    return result;
  };
  const below = (n: number): number => {
    const limit = 2 ** 32 - (2 ** 32 % n);
    let x = uint32();
    while (x >= limit) x = uint32();
    return x % n;
  };
  return { uint32, float: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53, below };
}

/** A new array in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0;

function splitmix32(x: number): number {
  let z = (x + 0x9e3779b9) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) >>> 0;
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35) >>> 0;
  return (z ^ (z >>> 16)) >>> 0;
}
