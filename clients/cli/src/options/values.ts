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

/** What a parser takes, said for completion, the job file's schema and the reference. */
export type Accepts =
  | { readonly kind: 'number'; readonly range: NumberRange; readonly example: string; readonly word?: string }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'again' };

/** `before`: what earlier ones of an option that may come again have made. */
export interface ValueParser<T> {
  (typed: string, before?: unknown): T;
  readonly accepts: Accepts;
}

const taking = <T>(accepts: Accepts, parse: (typed: string, before?: unknown) => T): ValueParser<T> =>
  Object.assign(parse, { accepts });

/** A parser for one option's number; `example` becomes the mend: "choose a value such as 0.5". */
export function numberIn(field: string, range: NumberRange, example: string): ValueParser<number> {
  return taking({ kind: 'number', range, example }, (typed) => {
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
  });
}

export const wholeNumber = (field: string, min: number, example: string) =>
  numberIn(field, { min, whole: true }, example);

/** A number, or one word that stands for one. */
export const wordOr = <T extends string>(word: T, parse: ValueParser<number>): ValueParser<number | T> =>
  taking({ ...parse.accepts, word } as Accepts, (typed) => (typed === word ? word : parse(typed)));

/** An option that may be given again: all that was typed, in order. */
export const eachOf = (): ValueParser<readonly string[]> =>
  taking({ kind: 'again' }, (typed, before) => [...((before as string[] | undefined) ?? []), typed]);

/** One of a few words; says which. */
export function oneOf<T extends string>(field: string, words: readonly T[]): ValueParser<T> {
  return taking({ kind: 'words', words }, (typed) => {
    const word = words.find((candidate) => candidate === typed);
    if (word !== undefined) return word;
    throw new UsageError('UNKNOWN_CHOICE', `'${typed}' is not one of ${words.join(', ')}`, {
      field,
      value: typed,
      mend: `choose ${words.join(' or ')}`,
    });
  });
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
