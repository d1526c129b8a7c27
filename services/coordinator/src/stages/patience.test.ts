import { EmlocError } from '@emloc/errors';
import { expect, test } from 'vitest';
import { whileKilled } from './patience.ts';

const killed = new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', 'ended', {
  metadata: { signal: 'SIGKILL' },
});

/** A call that fails so many times with `error`; its tries and what was told are counted. */
async function callThatFails(times: number, error: Error) {
  let tries = 0;
  let told = 0;
  const call = async (): Promise<string> => {
    tries += 1;
    if (tries <= times) throw error;
    return 'done';
  };
  const outcome = await whileKilled(call, () => void (told += 1)).catch((thrown: unknown) => thrown);
  return { outcome, tries, told };
}

test('a call whose process was killed is made again, and each time is told', async () => {
  expect(await callThatFails(2, killed)).toEqual({ outcome: 'done', tries: 3, told: 2 });
});

test('one that is killed again and again fails with the reason', async () => {
  expect(await callThatFails(9, killed)).toEqual({ outcome: killed, tries: 3, told: 2 });
});

test('any other error ends it at once', async () => {
  const full = new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', 'an op found no memory');
  const limit = new EmlocError('RESOURCE_EXHAUSTED', 'MEMORY_LIMIT_EXCEEDED', 'over', {
    metadata: { signal: 'SIGKILL' },
  });
  for (const error of [full, limit, new Error('?')]) {
    expect(await callThatFails(1, error)).toEqual({ outcome: error, tries: 1, told: 0 });
  }
});
