/**
 * Rows with the answers to choose from, however many: their prompts on disk, in memory two numbers a row and each list of
 * candidates once, which nearly all rows share.
 */
import type { ChoiceRow } from './choices.ts';
import type { RowPlace } from './rows.ts';
import { TokenRowsWriter, type TokenRows } from './token-rows.ts';

type Candidates = ChoiceRow['candidates'];

export class ChoiceTable implements Disposable {
  readonly #prompts: TokenRows;
  readonly #lists: readonly Candidates[];
  readonly #listOf: readonly number[];
  readonly #answers: readonly number[];

  constructor(
    prompts: TokenRows,
    lists: readonly Candidates[],
    listOf: readonly number[],
    answers: readonly number[],
  ) {
    this.#prompts = prompts;
    this.#lists = lists;
    this.#listOf = listOf;
    this.#answers = answers;
  }

  get length(): number {
    return this.#prompts.length;
  }

  /** Row `i`, its prompt read from the disk. */
  at(i: number): ChoiceRow {
    const { inputIds: promptIds } = this.#prompts.at(i);
    return { promptIds, candidates: this.#candidates(i), answer: this.#answers[i] as number };
  }

  /** Tokens of row `i`: the prompt and every candidate. */
  tokensOf(i: number): number {
    const list = this.#candidates(i);
    return (this.#prompts.lengths[i] as number) + list.reduce((sum, ids) => sum + ids.length, 0);
  }

  [Symbol.dispose](): void {
    this.#prompts[Symbol.dispose]();
  }

  #candidates(i: number): Candidates {
    return this.#lists[this.#listOf[i] as number] as Candidates;
  }
}

/** Takes rows one after another; ended by `finish`, or by `abandon`. */
export class ChoiceTableWriter {
  readonly #prompts = new TokenRowsWriter();
  readonly #lists: Candidates[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #listOf: number[] = [];
  readonly #answers: number[] = [];

  add(place: RowPlace, { promptIds, candidates, answer }: ChoiceRow): void {
    const completionIds = new Int32Array(0);
    this.#prompts.add({ ...place, inputIds: promptIds, labels: promptIds, promptIds, completionIds });
    this.#listOf.push(this.#numberOf(candidates));
    this.#answers.push(answer);
  }

  finish(): ChoiceTable {
    return new ChoiceTable(this.#prompts.finish(), this.#lists, this.#listOf, this.#answers);
  }

  abandon(): void {
    this.#prompts.abandon();
  }

  #numberOf(candidates: Candidates): number {
    const key = candidates.map((ids) => ids.join(' ')).join();
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#lists.length);
    return this.#lists.push(candidates) - 1;
  }
}
