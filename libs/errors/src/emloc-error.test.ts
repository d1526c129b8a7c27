import { expect, test } from 'vitest';
import { EmlocError } from './emloc-error.ts';

test('an error names field, value and mend in one line', () => {
  const error = new EmlocError('INVALID_ARGUMENT', 'RATIO_OUT_OF_RANGE', '1.5 is not in (0, 1]', {
    field: '--ratio',
    value: '1.5',
    mend: 'choose a ratio such as 0.5',
  });
  expect(error.describe()).toBe('--ratio: 1.5 is not in (0, 1] (choose a ratio such as 0.5)');
});

test('a field that the message names does not stand before it once more', () => {
  const error = (message: string) =>
    new EmlocError('INVALID_ARGUMENT', 'BAD', message, { field: '--ratio' }).describe();
  expect(error("unknown option '--ratio'")).toBe("unknown option '--ratio'");
  expect(error('--ratios is not given')).toBe('--ratio: --ratios is not given');
});

test('a line of a file is named once', () => {
  const error = new EmlocError('INVALID_ARGUMENT', 'BAD', '/data/rows.jsonl:7: no tokens', {
    field: '/data/rows.jsonl:7',
  });
  expect(error.describe()).toBe('/data/rows.jsonl:7: no tokens');
});

test('a full disk keeps its meaning, and an error of ours passes unchanged', () => {
  const full = EmlocError.from(Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC', path: 'out' }));
  expect(full).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'DISK_FULL' });
  expect(EmlocError.from(full)).toBe(full);
});

test('a copy that fills its disk names the place it was going to, not what was copied', () => {
  const thrown = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', path: 'from', dest: 'small/to' });
  expect(EmlocError.from(thrown).message).toBe('no space left on the disk: small/to');
});

test('told otherwise, an error keeps what is not replaced and has itself as the cause', () => {
  const error = new EmlocError('INVALID_ARGUMENT', 'BAD', 'no', { field: 'a.b', value: '1', mend: 'use 2' });
  const told = error.with({ field: '--b' });
  expect(told).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD', message: 'no', value: '1' });
  expect([told.field, told.mend, told.cause]).toEqual(['--b', 'use 2', error]);
});
