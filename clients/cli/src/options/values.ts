/** Turns what was typed after an option into a number or a refusal that names the option, the value and the mend. */
import { UsageError } from '../usage-error.ts';

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** The lower bound itself is refused, as in (0, 1]. */
  readonly aboveMin?: boolean;
  /** The upper bound itself is refused, as in [0, 1). */
  readonly belowMax?: boolean;
  readonly whole?: boolean;
}

/** A parser for one option's number; `example` becomes the mend: "choose a value such as 0.5". */
export function numberIn(field: string, range: NumberRange, example: string): (typed: string) => number {
  return (typed) => {
    const value = Number(typed);
    const mend = `choose ${range.whole ? 'a whole number' : 'a number'} such as ${example}`;
    const details = { field, value: typed, mend };
    if (typed.trim() === '' || !Number.isFinite(value)) {
      throw new UsageError('NOT_A_NUMBER', `'${typed}' is not a number`, details);
    }
    if (range.whole && !Number.isSafeInteger(value)) {
      throw new UsageError('NOT_A_WHOLE_NUMBER', `${typed} is not a whole number`, details);
    }
    if (!within(value, range)) {
      throw new UsageError('OUT_OF_RANGE', `${typed} is not in ${describeRange(range)}`, details);
    }
    return value;
  };
}

export const wholeNumber = (field: string, min: number, example: string) =>
  numberIn(field, { min, whole: true }, example);

/** A number, or one word that stands for one. */
export const wordOr =
  <T extends string>(word: T, parse: (typed: string) => number) =>
  (typed: string): number | T =>
    typed === word ? word : parse(typed);

/** An option that may be given again: all that was typed, in order. */
export const eachOf =
  () =>
  (typed: string, before: unknown): readonly string[] => [...((before as string[] | undefined) ?? []), typed];

/** One of a few words; says which. */
export function oneOf<T extends string>(field: string, words: readonly T[]): (typed: string) => T {
  return (typed) => {
    const word = words.find((candidate) => candidate === typed);
    if (word !== undefined) return word;
    throw new UsageError('UNKNOWN_CHOICE', `'${typed}' is not one of ${words.join(', ')}`, {
      field,
      value: typed,
      mend: `choose ${words.join(' or ')}`,
    });
  };
}

function within(
  value: number,
  { min = -Infinity, max = Infinity, aboveMin, belowMax }: NumberRange,
): boolean {
  return (aboveMin ? value > min : value >= min) && (belowMax ? value < max : value <= max);
}

function describeRange({ min, max, aboveMin, belowMax }: NumberRange): string {
  const lower = min === undefined ? '(-∞' : `${aboveMin ? '(' : '['}${min}`;
  const upper = max === undefined ? '∞)' : `${max}${belowMax ? ')' : ']'}`;
  return `${lower}, ${upper}`;
}
