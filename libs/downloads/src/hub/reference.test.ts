import { expect, test } from 'vitest';
import { repositoryOfSnapshot } from './cache.ts';
import { parseHubReference, referenceText } from './reference.ts';

test.each([
  ['Qwen/Qwen2.5-0.5B', 'Qwen/Qwen2.5-0.5B', 'main'],
  ['org/name@v1.0', 'org/name', 'v1.0'],
  ['org/name@refs/pr/3', 'org/name', 'refs/pr/3'],
])('%s is a repository', (typed, repo, revision) => {
  expect(parseHubReference(typed)).toEqual({ repo, revision });
  expect(referenceText({ repo, revision })).toBe(typed);
});

test.each([
  './model',
  '../up/model',
  '/a/b',
  'one',
  'a/b/c',
  'org/',
  'org/a--b',
  'a/..',
  'org/x@../y',
  'a b/c',
])('%s is a path', (typed) => expect(parseHubReference(typed)).toBeUndefined());

test('a snapshot knows its repository', () => {
  const commit = '0'.repeat(40);
  expect(repositoryOfSnapshot(`/x/hub/models--org--a-b/snapshots/${commit}`)).toBe('org/a-b');
  expect(repositoryOfSnapshot('/x/models/org')).toBeUndefined();
});
