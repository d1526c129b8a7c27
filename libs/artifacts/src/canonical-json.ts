/** One text for one value: keys sorted, no spaces. What a result is keyed by must not hang on the order of fields. */
import { createHash } from 'node:crypto';
import { EmlocError } from '@emloc/errors';

export function canonicalJson(value: unknown): string {
  return write(value, 'value');
}

/** The key of a stage's result: 64 hexadecimal digits of SHA-256 over its inputs (digests and settings). */
export const resultKey = (inputs: unknown): string =>
  createHash('sha256').update(canonicalJson(inputs)).digest('hex');

function write(value: unknown, at: string): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item, i) => write(item, `${at}[${i}]`)).join(',')}]`;
  if (typeof value === 'object') {
    const fields = Object.entries(value as Record<string, unknown>)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${write(field, `${at}.${key}`)}`);
    return `{${fields.join(',')}}`;
  }
  throw new EmlocError('INTERNAL', 'NOT_CANONICAL', `${at} is ${String(value)}, which JSON cannot hold`, {
    field: at,
    value: String(value),
  });
}
