/**
 * Reads a request as proto-loader gives it, field by field, and refuses what is wrong with the field's path in the
 * contract (`options.shard_index`), its value and what to do. Absent is absent: an explicit 0 is a 0.
 */
import { EmlocError } from '@emloc/errors';

export interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  /** The value must be greater than `min`, not equal. */
  readonly above?: boolean;
  /** The value must be less than `max`, not equal. */
  readonly below?: boolean;
}

type Message = Readonly<Record<string, unknown>>;

export class Fields {
  readonly #message: Message;
  readonly path: string;

  constructor(message: object, path = '') {
    this.#message = message as Message;
    this.path = path;
  }

  /** The path of a field of this message, as the contract spells it. */
  pathOf(name: string): string {
    const snake = name
      .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      .replace(/(?<=[a-z])_(?=\d)/g, '');
    return this.path === '' ? snake : `${this.path}.${snake}`;
  }

  has(name: string): boolean {
    const value = this.#message[name];
    return value !== undefined && value !== null;
  }

  integer(name: string, rule: NumberRule = {}): number | undefined {
    const value = this.number(name, rule);
    if (value !== undefined && !Number.isSafeInteger(value)) {
      throw this.wrong(name, 'is not a whole number', 'give a whole number');
    }
    return value;
  }

  number(name: string, rule: NumberRule = {}): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#message[name];
    const { min = -Infinity, max = Infinity } = rule;
    const low = rule.above ? (value as number) > min : (value as number) >= min;
    const high = rule.below ? (value as number) < max : (value as number) <= max;
    if (typeof value !== 'number' || Number.isNaN(value) || !low || !high) {
      throw this.wrong(name, `is not ${rangeText(rule)}`, `give a number ${rangeText(rule)}`);
    }
    return value;
  }

  boolean(name: string): boolean | undefined {
    return this.has(name) ? Boolean(this.#message[name]) : undefined;
  }

  /** A string; the empty one counts as absent. */
  text(name: string, maxLength = 4096): string | undefined {
    const value = this.#message[name];
    if (typeof value !== 'string' || value === '') return undefined;
    if (value.length > maxLength) {
      throw this.wrong(name, `has ${value.length} characters, more than ${maxLength}`, 'make it shorter');
    }
    return value;
  }

  requiredText(name: string, maxLength?: number): string {
    return this.text(name, maxLength) ?? this.missing(name);
  }

  /** An enum, by the names of the contract; the unspecified value counts as absent. */
  choice<T>(name: string, values: Readonly<Record<string, T>>): T | undefined {
    if (!this.has(name)) return undefined;
    const value = String(this.#message[name]);
    if (value.endsWith('_UNSPECIFIED')) return undefined;
    if (Object.hasOwn(values, value)) return values[value];
    throw this.wrong(name, 'is not one of its values', `choose ${Object.keys(values).join(', ')}`);
  }

  message(name: string): Fields | undefined {
    return this.has(name) ? new Fields(this.#message[name] as object, this.pathOf(name)) : undefined;
  }

  required(name: string): Fields {
    return this.message(name) ?? this.missing(name);
  }

  messages(name: string, maxCount: number): Fields[] {
    return this.#list(name, maxCount).map(
      (each, i) => new Fields(each as object, `${this.pathOf(name)}[${i}]`),
    );
  }

  texts(name: string, maxCount: number): string[] {
    return this.#list(name, maxCount).map(String);
  }

  integers(name: string, maxCount: number): number[] {
    return this.#list(name, maxCount).map(Number);
  }

  /** Refuses a field that must not be set here. */
  forbid(name: string, why: string): void {
    const value = this.#message[name];
    if (!this.has(name) || (Array.isArray(value) && value.length === 0)) return;
    throw this.wrong(name, `must not be set: ${why}`, 'leave it out');
  }

  missing(name: string): never {
    throw new EmlocError('INVALID_ARGUMENT', 'FIELD_MISSING', `${this.pathOf(name)} is not set`, {
      field: this.pathOf(name),
      mend: 'set it',
    });
  }

  wrong(name: string, what: string, mend: string): EmlocError {
    const value = JSON.stringify(this.#message[name])?.slice(0, 100);
    return new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', `${this.pathOf(name)} ${what}`, {
      field: this.pathOf(name),
      value,
      mend,
    });
  }

  #list(name: string, maxCount: number): readonly unknown[] {
    const value = (this.#message[name] as readonly unknown[] | undefined) ?? [];
    if (value.length > maxCount) {
      throw new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', `${this.pathOf(name)} has too many entries`, {
        field: this.pathOf(name),
        value: String(value.length),
        mend: `give at most ${maxCount}`,
      });
    }
    return value;
  }
}

function rangeText({ min, max, above, below }: NumberRule): string {
  if (min !== undefined && max !== undefined)
    return `in ${above ? '(' : '['}${min}, ${max}${below ? ')' : ']'}`;
  if (min !== undefined) return above ? `above ${min}` : `${min} or more`;
  if (max !== undefined) return below ? `below ${max}` : `${max} or less`;
  return 'finite';
}
