/** Pages of a list as AIP-158 has them: a size that is cut to the limit, a token that belongs to the request it came from. */
import { createHash } from 'node:crypto';
import { EmlocError } from '@emloc/errors';
import { Fields } from './fields.ts';

const defaultPageSize = 50;
const maxPageSize = 500;
const maxFilter = 2000;

export interface PageRequest {
  /** 1 to 500. */
  readonly pageSize: number;
  /** What the list itself gave, without what is added here; undefined: the first page. */
  readonly pageToken: string | undefined;
  readonly filter: string;
  /** The token of the next page, for the client; '' where there is none. */
  next(token: string | undefined): string;
}

/** `page_size`, `page_token` and `filter` of a list's request; `narrowing`: what else chooses among the items. */
export function readPage(request: object, narrowing = ''): PageRequest {
  const fields = new Fields(request);
  const size = fields.integer('pageSize', { min: 0 }) ?? 0;
  const filter = fields.text('filter', maxFilter) ?? '';
  const mark = createHash('sha256')
    .update(JSON.stringify([narrowing, filter]))
    .digest('base64url')
    .slice(0, 8);
  return {
    pageSize: size === 0 ? defaultPageSize : Math.min(size, maxPageSize),
    pageToken: unmarked(fields.text('pageToken'), mark),
    filter,
    next: (token) => (token === undefined || token === '' ? '' : `${token}.${mark}`),
  };
}

function unmarked(token: string | undefined, mark: string): string | undefined {
  if (token === undefined) return undefined;
  const at = token.lastIndexOf('.');
  if (at > 0 && token.slice(at + 1) === mark) return token.slice(0, at);
  const isOther = at > 0 && /^[\w-]{8}$/.test(token.slice(at + 1));
  throw pageTokenInvalid(token, isOther ? 'page_token came with another state or filter' : undefined);
}

export const pageTokenInvalid = (token: string, what = 'page_token is not one of this list'): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'PAGE_TOKEN_INVALID', what, {
    field: 'page_token',
    value: token.slice(0, 100),
    mend: 'give next_page_token of the page before, unchanged, with the same state and filter; or start from the first page',
  });
