import { expect, test } from 'vitest';
import { readPage } from './pages.ts';

test('a page has 50 items, 500 at most, and none below 0', () => {
  expect(readPage({}).pageSize).toBe(50);
  expect(readPage({ pageSize: 0 }).pageSize).toBe(50);
  expect(readPage({ pageSize: 7 }).pageSize).toBe(7);
  expect(readPage({ pageSize: 5000 }).pageSize).toBe(500);
  expect(() => readPage({ pageSize: -1 })).toThrow(expect.objectContaining({ field: 'page_size' }));
});

test('a token leads on with the same state and filter only', () => {
  const first = readPage({ filter: 'state = FAILED' }, 'state');
  const token = first.next('aW5uZXI');
  expect(first.next(undefined)).toBe('');
  expect(readPage({ filter: 'state = FAILED', pageToken: token }, 'state').pageToken).toBe('aW5uZXI');
  for (const [request, narrowing] of [
    [{ pageToken: token }, 'state'],
    [{ filter: 'state = FAILED', pageToken: token }, 'other'],
    [{ filter: 'state = FAILED', pageToken: 'aW5uZXI' }, 'state'],
    [{ filter: 'state = FAILED', pageToken: '.' }, 'state'],
  ] as const) {
    expect(() => readPage(request, narrowing)).toThrow(
      expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID', field: 'page_token' }),
    );
  }
});
