/** What an operation was asked to do: written once, and compared by digest when its id comes again. */
import { createHash } from 'node:crypto';
import { EmlocError } from '@emloc/errors';
import { readJson } from '../files.ts';
import { notFound, type Layout } from './layout.ts';

export interface StoredRequest {
  readonly id: string;
  readonly kind: string;
  readonly request: unknown;
  readonly digest: string;
  readonly createdAt: string;
  readonly traceparent?: string;
  readonly memoryLimitBytes?: number;
  /** Bound to a call: worth nothing once the caller is gone. */
  readonly attached?: boolean;
}

export function readRequest(layout: Layout): StoredRequest {
  const stored = readJson<StoredRequest>(layout.request);
  if (stored === undefined) throw notFound(layout.id);
  return stored;
}

/** The same for requests that differ in the order of their keys only. */
export function digestOf(kind: string, request: unknown): string {
  return createHash('sha256')
    .update(canonical([kind, request]))
    .digest('hex');
}

export function checkSameRequest(stored: StoredRequest, digest: string): void {
  if (stored.digest === digest) return;
  throw new EmlocError(
    'ALREADY_EXISTS',
    'OPERATION_ID_REUSED',
    `the operation ${stored.id} exists and was started with another request`,
    {
      field: 'operation_id',
      value: stored.id,
      mend: 'choose another id, or send the request it was started with',
    },
  );
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
