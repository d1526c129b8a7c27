import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import { manager, workerFile } from '../testing/setup.ts';

test('an operation is fed anew at each attempt, and its input is told when it has ended', async () => {
  const opened: { id: string; request: unknown; traceparent: string | undefined; signal: AbortSignal }[] = [];
  const operations = manager({
    kinds: {
      consume: {
        worker: workerFile,
        async *input(order, signal) {
          opened.push({ ...order, signal });
          if (opened.length === 1) throw new EmlocError('UNAVAILABLE', 'AWAY', 'the giver is away');
          yield Buffer.from('abc');
          yield Buffer.from('de');
        },
      },
    },
  });
  await operations.start({ id: 'fed', kind: 'consume', request: { frames: 2 }, traceparent: 't' });
  const failed = await operations.wait('fed');
  expect(failed).toMatchObject({ state: 'FAILED', error: { code: 'UNAVAILABLE', reason: 'AWAY' } });
  await operations.resume('fed');
  expect(await operations.wait('fed')).toMatchObject({ state: 'SUCCEEDED', attempt: 2 });
  expect(opened).toHaveLength(2);
  expect(opened[1]).toMatchObject({ id: 'fed', request: { frames: 2 }, traceparent: 't' });
  await wait(10);
  expect(opened.every(({ signal }) => signal.aborted)).toBe(true);
});
