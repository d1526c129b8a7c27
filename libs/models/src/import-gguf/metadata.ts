/** GGUF's key-value pairs, read by the type that is expected. */
import { damaged } from './errors.ts';

export class GgufMetadata {
  readonly #file: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(file: string, values: Readonly<Record<string, unknown>>) {
    this.#file = file;
    this.#values = values;
  }

  optionalNumber(key: string): number | undefined {
    const value = this.#values[key];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value);
    throw this.#wrong(key, 'a number');
  }

  number(key: string): number {
    return this.optionalNumber(key) ?? this.#missing(key);
  }

  /** A whole number of 0 or more. */
  optionalCount(key: string): number | undefined {
    const value = this.optionalNumber(key);
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
    throw this.#wrong(key, 'a count');
  }

  count(key: string): number {
    return this.optionalCount(key) ?? this.#missing(key);
  }

  optionalText(key: string): string | undefined {
    const value = this.#values[key];
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(key, 'a text');
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key);
  }

  optionalFlag(key: string): boolean | undefined {
    const value = this.#values[key];
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.#wrong(key, 'true or false');
  }

  optionalTexts(key: string): readonly string[] | undefined {
    const value = this.#values[key];
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[];
    throw this.#wrong(key, 'a list of texts');
  }

  texts(key: string): readonly string[] {
    return this.optionalTexts(key) ?? this.#missing(key);
  }

  optionalNumbers(key: string): readonly number[] | undefined {
    const value = this.#values[key];
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value as number[];
    throw this.#wrong(key, 'a list of numbers');
  }

  #missing(key: string): never {
    throw damaged(this.#file, `lacks the metadata ${key}`, key);
  }

  #wrong(key: string, expected: string): Error {
    const value = String(this.#values[key]).slice(0, 80);
    return damaged(this.#file, `has metadata ${key} that is not ${expected}: ${value}`, key, value);
  }
}
