import { EmlocError } from '@emloc/errors';
import { expect, test } from 'vitest';
import { UsageError } from '../usage-error.ts';
import { underOption } from './under-option.ts';

const refuse = (field?: string) => (): never => {
  throw new EmlocError('INVALID_ARGUMENT', 'BAD', 'is wrong', { field, mend: 'mend it' });
};
const refusal = (typed: Parameters<typeof underOption>[0], field?: string): Promise<EmlocError> =>
  underOption(typed, refuse(field)).then(
    () => expect.unreachable(),
    (error: EmlocError) => error,
  );

test("a library's complaint is laid at the option that was typed, and says what was typed", async () => {
  const error = await refusal({ option: '--model', value: './m' }, 'config.json: hidden_size');
  expect(error.describe()).toBe('--model: ./m: config.json: hidden_size: is wrong (mend it)');
  expect(error).not.toBeInstanceOf(UsageError);
});

test("the library's own name of the option is not said twice", async () => {
  const error = await refusal({ option: '--target-modules', value: 'x', usage: true }, 'target_modules');
  expect(error.describe()).toBe('--target-modules: x: is wrong (mend it)');
  expect(error).toBeInstanceOf(UsageError);
});

test('what passes is handed on', async () => {
  expect(await underOption({ option: '--data', value: 'd' }, () => 3)).toBe(3);
});
