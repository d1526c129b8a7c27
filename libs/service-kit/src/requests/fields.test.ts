import { expect, test } from 'vitest';
import { Fields } from './fields.ts';

const nested = new Fields({ options: { shardIndex: -1, ratio: 0, adamBeta1: 2, names: ['a', 'b', 'c'] } });

test('an explicit 0 is a 0, and what is not set is undefined', () => {
  const fields = new Fields({ count: 0, absent: undefined, message: null });
  expect(fields.integer('count')).toBe(0);
  expect(fields.integer('absent')).toBeUndefined();
  expect(fields.message('message')).toBeUndefined();
});

test.each([
  [() => nested.required('options').integer('shardIndex', { min: 0 }), 'options.shard_index', '-1'],
  [() => nested.required('options').number('ratio', { min: 0, above: true, max: 1 }), 'options.ratio', '0'],
  [() => nested.required('options').number('adamBeta1', { max: 1 }), 'options.adam_beta1', '2'],
  [() => nested.required('options').texts('names', 2), 'options.names', '3'],
])('a wrong field is refused by its path and value', (read, field, value) => {
  expect(read).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field, value }));
});

test('an unspecified enum is absent, an unknown one refused with the choices', () => {
  const values = { PRECISION_F32: 'f32' };
  expect(new Fields({ precision: 'PRECISION_UNSPECIFIED' }).choice('precision', values)).toBeUndefined();
  expect(() => new Fields({ precision: 7 }).choice('precision', values)).toThrow(
    expect.objectContaining({ field: 'precision', mend: 'choose PRECISION_F32' }),
  );
});

test('a missing message names itself', () => {
  expect(() => nested.required('model')).toThrow(
    expect.objectContaining({ reason: 'FIELD_MISSING', field: 'model' }),
  );
});
