/**
 * Filters of lists, a part of AIP-160: comparisons `FIELD OP VALUE`, joined by AND, OR, NOT and parentheses, OR before
 * AND. Fields of a resource are declared with their type; all else is refused with the place where it stands. Left out:
 * bare words, `:`, functions, fields of nested messages.
 */
import { EmlocError } from '@emloc/errors';

type Compare = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** A field that may be filtered by, and how an item tells it. */
export type FilterField<Item> =
  | { readonly type: 'text'; readonly of: (item: Item) => string }
  | { readonly type: 'number'; readonly of: (item: Item) => number }
  | { readonly type: 'time'; readonly of: (item: Item) => Date }
  | {
      readonly type: 'choice';
      /** What is compared with, in the contract's words without its prefix: `RUNNING`. */
      readonly values: readonly string[];
      /** The contract's prefix, which may be written too: `JOB_STATE_`. */
      readonly prefix?: string;
      readonly of: (item: Item) => string;
    };

export type FilterFields<Item> = Readonly<Record<string, FilterField<Item>>>;
export type Matches<Item> = (item: Item) => boolean;

interface Token {
  readonly kind: 'word' | 'text' | 'compare' | 'open' | 'close';
  readonly text: string;
  readonly at: number;
}

const tokenPattern =
  /\s*(?:(?<compare><=|>=|!=|[=<>])|(?<open>\()|(?<close>\))|"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<word>[^\s()=<>!"']+))/y;
const maxDepth = 20;

/** What of a list a filter lets through. An empty filter lets everything through. */
export function parseFilter<Item>(filter: string, fields: FilterFields<Item>): Matches<Item> {
  const tokens = tokenize(filter);
  if (tokens.length === 0) return () => true;
  const parser = new Parser(filter, tokens, fields);
  return parser.whole();
}

class Parser<Item> {
  readonly #filter: string;
  readonly #tokens: readonly Token[];
  readonly #fields: FilterFields<Item>;
  #next = 0;
  #depth = 0;

  constructor(filter: string, tokens: readonly Token[], fields: FilterFields<Item>) {
    this.#filter = filter;
    this.#tokens = tokens;
    this.#fields = fields;
  }

  whole(): Matches<Item> {
    const matches = this.#all();
    const rest = this.#tokens[this.#next];
    if (rest !== undefined) throw this.#bad(`"${rest.text}" is not expected`, rest.at);
    return matches;
  }

  #all(): Matches<Item> {
    const parts = [this.#any()];
    while (this.#take('AND')) parts.push(this.#any());
    return (item) => parts.every((matches) => matches(item));
  }

  #any(): Matches<Item> {
    const parts = [this.#one()];
    while (this.#take('OR')) parts.push(this.#one());
    return (item) => parts.some((matches) => matches(item));
  }

  #one(): Matches<Item> {
    if (this.#take('NOT')) {
      const matches = this.#one();
      return (item) => !matches(item);
    }
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'open') return this.#comparison();
    this.#next += 1;
    if ((this.#depth += 1) > maxDepth) throw this.#bad(`more than ${maxDepth} parentheses`, token.at);
    const matches = this.#all();
    if (this.#tokens[this.#next]?.kind !== 'close') throw this.#bad('")" is missing', this.#here());
    this.#next += 1;
    this.#depth -= 1;
    return matches;
  }

  #comparison(): Matches<Item> {
    const [name, compare, value] = this.#tokens.slice(this.#next, this.#next + 3);
    if (name?.kind !== 'word') throw this.#bad('a field is missing', this.#here());
    if (compare?.kind !== 'compare') throw this.#bad(`no comparison follows "${name.text}"`, name.at);
    if (value?.kind !== 'word' && value?.kind !== 'text') {
      throw this.#bad(`no value follows "${name.text} ${compare.text}"`, compare.at);
    }
    this.#next += 3;
    const field = Object.hasOwn(this.#fields, name.text) ? this.#fields[name.text] : undefined;
    if (field === undefined) throw this.#bad(`there is no field "${name.text}"`, name.at);
    return this.#test(field, compare as Token & { readonly text: Compare }, value, name);
  }

  #test(
    field: FilterField<Item>,
    compare: Token & { readonly text: Compare },
    value: Token,
    name: Token,
  ): Matches<Item> {
    const ordered = compare.text !== '=' && compare.text !== '!=';
    switch (field.type) {
      case 'text': {
        if (ordered) throw this.#bad(`"${name.text}" takes = and != only`, compare.at);
        return (item) => isLike(field.of(item), value.text) === (compare.text === '=');
      }
      case 'choice': {
        if (ordered) throw this.#bad(`"${name.text}" takes = and != only`, compare.at);
        const { prefix = '' } = field;
        const chosen =
          prefix !== '' && value.text.startsWith(prefix) ? value.text.slice(prefix.length) : value.text;
        if (!field.values.includes(chosen)) {
          throw this.#bad(`"${value.text}" is none of ${field.values.join(', ')}`, value.at);
        }
        return (item) => (field.of(item) === chosen) === (compare.text === '=');
      }
      case 'number': {
        const number = Number(value.text);
        if (!/\d/.test(value.text) || !Number.isFinite(number))
          throw this.#bad(`"${value.text}" is no number`, value.at);
        return (item) => holds(compare.text, field.of(item) - number);
      }
      case 'time': {
        const ms = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(value.text) ? Date.parse(value.text) : NaN;
        if (Number.isNaN(ms))
          throw this.#bad(`"${value.text}" is no time such as 2026-01-31T12:00:00Z`, value.at);
        return (item) => holds(compare.text, field.of(item).getTime() - ms);
      }
    }
  }

  #take(word: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' || token.text !== word) return false;
    this.#next += 1;
    return true;
  }

  #here(): number {
    return this.#tokens[this.#next]?.at ?? this.#filter.length;
  }

  #bad(problem: string, at: number): EmlocError {
    return badFilter(this.#filter, problem, at, Object.keys(this.#fields));
  }
}

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (filter.slice(at).trim() !== '') {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(filter);
    if (match === null) throw badFilter(filter, 'this is not understood', at, []);
    const { compare, open, close, double, single, word } = match.groups ?? {};
    const [kind, text] = (
      [
        ['compare', compare],
        ['open', open],
        ['close', close],
        ['text', double ?? single],
        ['word', word],
      ] as const
    ).find(([, found]) => found !== undefined) ?? ['word', ''];
    at = tokenPattern.lastIndex;
    tokens.push({ kind, text: text ?? '', at: at - match[0].trimStart().length });
  }
  return tokens;
}

const holds = (compare: Compare, difference: number): boolean =>
  ({
    '=': difference === 0,
    '!=': difference !== 0,
    '<': difference < 0,
    '<=': difference <= 0,
    '>': difference > 0,
    '>=': difference >= 0,
  })[compare];

/** Whether the text is the pattern, in which `*` stands for any characters. */
function isLike(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function badFilter(filter: string, problem: string, at: number, known: readonly string[]): EmlocError {
  const fields = known.length === 0 ? '' : `; fields: ${known.join(', ')}`;
  return new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_FILTER',
    `the filter is wrong at character ${at + 1}: ${problem}`,
    {
      field: 'filter',
      value: filter.slice(0, 100),
      mend: `write comparisons such as state = RUNNING, joined by AND, OR, NOT and parentheses${fields}`,
    },
  );
}
