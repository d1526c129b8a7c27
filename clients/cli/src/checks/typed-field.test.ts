import { expect, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import { asTyped } from './typed-field.ts';

const args = ['train', '--model', 'm', '--data=d.jsonl', '--learning-rate', '1'];
const typed = (field: string): string | undefined =>
  (asTyped(new EmlocError('INVALID_ARGUMENT', 'BAD', 'no', { field }), args) as EmlocError).field;

test.each([
  ['options.learning_rate', '--learning-rate'],
  ['model.path', '--model'],
  ['options.dataset.source.path', '--data'],
  // Not typed, or no option's own.
  ['options.weight_decay', 'options.weight_decay'],
  ['d.jsonl:3', 'd.jsonl:3'],
])('the field %s is told as %s', (field, expected) => {
  expect(typed(field)).toBe(expected);
});

test('with --server, a model that is not found is told what it is taken for', () => {
  const error = new EmlocError('NOT_FOUND', 'FILE_NOT_FOUND', 'no such file', {
    field: 'model.path',
    mend: 'look',
  });
  const mend = (...more: string[]) => (asTyped(error, [...args, ...more]) as EmlocError).mend;
  expect(mend()).toBe('look');
  expect(mend('--server', 'far:1')).toContain('pull it there first');
});
