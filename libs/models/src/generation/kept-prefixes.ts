/**
 * Keys and values of sequences that have ended, for prompts that go on from them: a conversation's next turn begins with
 * what all turns before it were. They hold for one source and the linears that made them (an adapter is another owner's),
 * and are let go of by age where they come to more than a bound.
 */
import { areTurnedAlike, SHORTEST_SHARED_PREFIX } from '../batch.ts';
import type { ModelOf } from '../types.ts';
import type { KeyValueCache } from './key-value-cache.ts';

interface Kept {
  readonly owner: string;
  readonly ids: readonly number[];
  readonly cache: KeyValueCache;
}

/** Some 5,000 tokens of SmolLM2-135M, 2,000 of a model of 8 billion parameters. */
export const KEPT_PREFIX_BYTES = 256 * 2 ** 20;

export class KeptPrefixes {
  readonly #most: number;
  /** The latest is the last. */
  #kept: Kept[] = [];

  constructor(mostBytes: number = KEPT_PREFIX_BYTES) {
    this.#most = mostBytes;
  }

  get bytes(): number {
    return this.#kept.reduce((sum, { cache }) => sum + cache.bytes, 0);
  }

  /**
   * The cache that has most of the tokens that these begin with, cut to them; at least the last is left to compute. It
   * becomes the caller's. Undefined where none has enough to be worth it.
   */
  take(of: ModelOf, owner: string, ids: readonly number[]): KeyValueCache | undefined {
    const inCommon = this.#kept.map((kept) =>
      kept.owner === owner && areTurnedAlike(of, [kept.ids.length, ids.length]) ? common(kept.ids, ids) : 0,
    );
    const most = Math.max(0, ...inCommon);
    if (most < SHORTEST_SHARED_PREFIX) return undefined;
    const [{ cache }] = this.#kept.splice(inCommon.lastIndexOf(most), 1) as [Kept];
    if (cache.cutTo(most)) return cache;
    cache.dispose();
    return undefined;
  }

  /** Takes over the cache of one sequence, which has these tokens. */
  put(owner: string, ids: readonly number[], cache: KeyValueCache): void {
    this.#kept.push({ owner, ids, cache });
    while (this.#kept.length > 0 && this.bytes > this.#most) this.#kept.shift()!.cache.dispose();
  }

  clear(): void {
    for (const { cache } of this.#kept.splice(0)) cache.dispose();
  }
}

const common = (kept: readonly number[], ids: readonly number[]): number => {
  const most = Math.min(kept.length, ids.length - 1);
  let count = 0;
  while (count < most && kept[count] === ids[count]) count++;
  return count;
};
