/** Pages of a list (AIP-158): newest first, a token that names the last one seen. */
import { EmlocError } from '@emloc/errors';
import { defaultPageSize, maxPageSize } from '../limits.ts';
import type { Operation } from '../types.ts';

export interface Page {
  readonly operations: readonly Operation[];
  readonly nextPageToken?: string;
}

export function pageOf(
  operations: readonly Operation[],
  pageSize: number | undefined,
  pageToken: string | undefined,
): Page {
  const size = Math.min(maxPageSize, pageSize === undefined || pageSize === 0 ? defaultPageSize : pageSize);
  if (!Number.isInteger(size) || size < 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'PAGE_SIZE_INVALID', 'a page has at least one row', {
      field: 'page_size',
      value: String(pageSize),
      mend: `ask for 1 to ${maxPageSize}`,
    });
  }
  const after = pageToken === undefined || pageToken === '' ? undefined : decode(pageToken);
  const sorted = [...operations].sort((a, b) => compare(keyOf(b), keyOf(a)));
  const rest =
    after === undefined ? sorted : sorted.filter((operation) => compare(keyOf(operation), after) < 0);
  const page = rest.slice(0, size);
  const last = page.at(-1);
  return {
    operations: page,
    ...(last === undefined || rest.length <= size ? {} : { nextPageToken: encode(keyOf(last)) }),
  };
}

/** Sorts by time, then id. */
const keyOf = (operation: Operation): string => `${operation.createdAt.toISOString()} ${operation.id}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const encode = (key: string): string => Buffer.from(key).toString('base64url');

function decode(token: string): string {
  const key = Buffer.from(token, 'base64url').toString('utf8');
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z .+$/.test(key)) return key;
  throw new EmlocError('INVALID_ARGUMENT', 'PAGE_TOKEN_INVALID', 'not a token of this list', {
    field: 'page_token',
    value: token.slice(0, 100),
    mend: 'start from the first page',
  });
}
