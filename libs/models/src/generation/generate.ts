/**
 * Generation: prompts go through the model once and fill a key-value cache; from then on a step computes one token of
 * every sequence together. Sequences end by themselves, and prompts that had to wait for room in the cache take their
 * places. Rows of different variants (adapters) go through the base in one batch.
 * Memory: the cache (bounded by `cacheBytes`), and a pass over PREFILL_TOKENS tokens of prompts, or one longer prompt.
 */
import { ropeRegime } from '../layers/rope-frequencies.ts';
import type { PassOptions } from '../model-pass.ts';
import type { WeightSource } from '../types.ts';
import { sequencesThatFit } from './cache-size.ts';
import {
  decodeStep,
  prefill,
  resume,
  type NextLogits,
  type PassLinears,
  type VariantLinears,
} from './cached-pass.ts';
import { KeyValueCache } from './key-value-cache.ts';
import type { KeptPrefixes } from './kept-prefixes.ts';
import { checkSampling, logProbability, nextToken, type SamplingOptions } from './sampler.ts';

export interface GenerationPrompt {
  /** At least one token, at most as many as the model takes. */
  readonly ids: readonly number[];
  /** Which of the linears' variants it is computed with. Default: 0. */
  readonly variant?: number;
  /** Which of the seed's streams its draws are of. Default: its number among the prompts. */
  readonly stream?: number;
}

/** `eos`: an end-of-text token came; `stop`: `onToken` asked for it; `length`: `maxNewTokens`; `context`: the model takes no more. */
export type FinishReason = 'eos' | 'stop' | 'length' | 'context';

export interface GeneratedToken {
  readonly prompt: number;
  readonly id: number;
  /** ln p of the token as the model has it; undefined unless asked for. */
  readonly logProbability: number | undefined;
  /** Why this is the last one, where it is. */
  readonly finish: FinishReason | undefined;
}

export interface GenerateOptions extends PassOptions {
  readonly maxNewTokens: number;
  /** A sequence ends at the first of these, which is its last token. Default: the model's. */
  readonly eosTokenIds?: readonly number[];
  /** Default: greedy. */
  readonly sampling?: SamplingOptions;
  readonly logProbabilities?: boolean;
  /** Sequences that would not fit wait until others have ended; one alone always goes. Default: 1 GiB. */
  readonly cacheBytes?: number;
  /**
   * Where a single prompt's keys and values stay for a later call, and may be from an earlier one; `owner` names the
   * linears that they were made with. Of the same source. Several prompts neither take nor leave any.
   */
  readonly kept?: { readonly prefixes: KeptPrefixes; readonly owner: string };
  /** Called for each token in turn; may wait, and may end the sequence here by answering `stop`. */
  readonly onToken?: (token: GeneratedToken) => TokenAnswer | Promise<TokenAnswer>;
}

export type TokenAnswer = 'stop' | undefined;

export interface Generated {
  /** New tokens, an end-of-text token included. */
  readonly ids: readonly number[];
  readonly finish: FinishReason;
}

export const DEFAULT_CACHE_BYTES = 2 ** 30;

/** What each prompt goes on with. Ids are taken as they are: the caller has checked them. */
export const generate = async (
  source: WeightSource,
  linearsOf: VariantLinears,
  prompts: readonly GenerationPrompt[],
  options: GenerateOptions,
): Promise<Generated[]> => {
  checkSampling(options.sampling ?? {});
  const run = new Generation(source, linearsOf, prompts, options);
  try {
    while (!run.isDone) {
      await run.admit();
      await run.step();
    }
    return run.results();
  } finally {
    run.dispose();
  }
};

interface Sequence {
  readonly prompt: number;
  readonly stream: number;
  readonly variant: number;
  readonly ids: number[];
  readonly promptTokens: number;
  finish: FinishReason | undefined;
}

/** Do all keys change when a sequence comes to be so long (layers/rope-frequencies.ts)? */
const turnsAnew = ({ architecture, config }: WeightSource, tokens: number): boolean =>
  architecture
    .attentionKinds(config)
    .some(({ rope }) => rope !== undefined && ropeRegime(rope, tokens) !== ropeRegime(rope, tokens - 1));

class Generation {
  readonly #source: WeightSource;
  readonly #linearsOf: VariantLinears;
  readonly #options: GenerateOptions;
  readonly #eos: ReadonlySet<number>;
  readonly #all: readonly Sequence[];
  readonly #waiting: Sequence[];
  #active: Sequence[] = [];
  /** Of the active sequences, in their order. */
  #cache: KeyValueCache | undefined;
  #linears: PassLinears | undefined;

  constructor(
    source: WeightSource,
    linearsOf: VariantLinears,
    prompts: readonly GenerationPrompt[],
    options: GenerateOptions,
  ) {
    this.#source = source;
    this.#linearsOf = linearsOf;
    this.#options = options;
    this.#eos = new Set(options.eosTokenIds ?? source.config.eosTokenIds);
    this.#all = prompts.map(({ ids, variant = 0, stream }, prompt) => ({
      prompt,
      stream: stream ?? prompt,
      variant,
      ids: [...ids],
      promptTokens: ids.length,
      finish: options.maxNewTokens > 0 ? undefined : 'length',
    }));
    this.#waiting = this.#all.filter(({ finish }) => finish === undefined);
  }

  get isDone(): boolean {
    return this.#waiting.length === 0 && this.#active.length === 0;
  }

  results(): Generated[] {
    return this.#all.map(({ ids, promptTokens, finish = 'length' }) => ({
      ids: ids.slice(promptTokens),
      finish,
    }));
  }

  /** Takes in as many of those who wait as there is room for, and makes their first tokens. */
  async admit(): Promise<void> {
    const { maxNewTokens, cacheBytes = DEFAULT_CACHE_BYTES } = this.#options;
    const room = this.#source.config.maxPositionEmbeddings;
    const mostTokens = ({ promptTokens }: Sequence): number => Math.min(promptTokens + maxNewTokens, room);
    const [running, waiting] = [this.#active.map(mostTokens), this.#waiting.map(mostTokens)];
    const fit = sequencesThatFit(this.#source, running, waiting, cacheBytes);
    if (fit === 0) return;
    const admitted = this.#waiting.splice(0, fit).sort((a, b) => a.variant - b.variant);
    const logits = (await this.#resume(admitted)) ?? (await this.#prefill(admitted));
    this.#setActive([...this.#active, ...admitted]);
    await this.#append(admitted, logits);
  }

  async #prefill(admitted: readonly Sequence[]): Promise<NextLogits> {
    const { cache, logits } = await prefill(this.#source, this.#linearsOf, admitted, this.#options);
    this.#cache = KeyValueCache.join(this.#cache === undefined ? [cache] : [this.#cache, cache]);
    return logits;
  }

  /** From what an earlier call has left of the only prompt; undefined where there is nothing. */
  async #resume([sequence]: readonly Sequence[]): Promise<NextLogits | undefined> {
    const { kept } = this.#options;
    if (kept === undefined || sequence === undefined || this.#all.length > 1) return undefined;
    this.#cache = kept.prefixes.take(this.#source, kept.owner, sequence.ids);
    if (this.#cache === undefined) return undefined;
    return resume(this.#source, this.#linearsOf, sequence, this.#cache, this.#options);
  }

  /** One more token of each active sequence. */
  async step(): Promise<void> {
    const [cache, active] = [this.#cache, this.#active];
    if (cache === undefined) return;
    if (active.some(({ ids }) => turnsAnew(this.#source, ids.length))) return this.#refill(active);
    this.#linears ??= this.#linearsOf([active.map(({ variant }) => variant)]);
    const latest = active.map(({ ids }) => ids.at(-1)!);
    await this.#append(
      active,
      await decodeStep(this.#source, this.#linears.linearsFor, latest, cache, this.#options),
    );
  }

  /** The same step from the tokens themselves: what the cache holds is of keys that are turned otherwise now. */
  async #refill(active: readonly Sequence[]): Promise<void> {
    this.#cache?.dispose();
    this.#cache = undefined;
    const { cache, logits } = await prefill(this.#source, this.#linearsOf, active, this.#options);
    this.#cache = cache;
    await this.#append(active, logits);
  }

  dispose(): void {
    this.#cache?.dispose();
    this.#linears?.dispose();
  }

  /** Gives each its next token, and lets go of those that have ended. */
  async #append(sequences: readonly Sequence[], logits: NextLogits): Promise<void> {
    for (const [i, sequence] of sequences.entries()) await this.#appendTo(sequence, logits[i]!);
    const open = this.#active.flatMap(({ finish }, i) => (finish === undefined ? [i] : []));
    if (open.length === this.#active.length) return;
    if (open.length > 0) this.#cache?.select(open);
    else this.#letGo();
    this.#setActive(open.map((i) => this.#active[i]!));
  }

  /** All have ended: what is cached is of no use, but to a prompt that goes on from the only one. */
  #letGo(): void {
    const { kept } = this.#options;
    const [cache, [sequence]] = [this.#cache, this.#all];
    this.#cache = undefined;
    if (cache === undefined) return;
    if (kept === undefined || sequence === undefined || this.#all.length > 1) cache.dispose();
    else kept.prefixes.put(kept.owner, sequence.ids.slice(0, cache.lengths[0]), cache);
  }

  async #appendTo(sequence: Sequence, logits: Float32Array): Promise<void> {
    const { sampling = {}, logProbabilities = false, onToken } = this.#options;
    const { prompt, stream, ids, promptTokens } = sequence;
    const id = nextToken(logits, ids, sampling, { stream, position: ids.length - promptTokens });
    ids.push(id);
    sequence.finish = this.#finishOf(sequence, id);
    const answer = await onToken?.({
      prompt,
      id,
      logProbability: logProbabilities ? logProbability(logits, id) : undefined,
      finish: sequence.finish,
    });
    if (answer === 'stop') sequence.finish = 'stop';
  }

  #finishOf({ ids, promptTokens }: Sequence, id: number): FinishReason | undefined {
    if (this.#eos.has(id)) return 'eos';
    if (ids.length - promptTokens >= this.#options.maxNewTokens) return 'length';
    return ids.length > this.#source.config.maxPositionEmbeddings ? 'context' : undefined;
  }

  #setActive(active: Sequence[]): void {
    this.#active = active;
    this.#linears?.dispose();
    this.#linears = undefined;
  }
}
