import { expect, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import { Interrupted } from '../interrupted.ts';
import { resumable, resumeCommand } from './resume-hint.ts';

test('the command that resumes is the one that was typed, once with --resume, quoted for a shell', () => {
  expect(resumeCommand(['train', '--model', 'm', '--target-modules', '.*(q|v)_proj', '--resume'])).toBe(
    "emloc train --model m --target-modules '.*(q|v)_proj' --resume",
  );
  expect(resumeCommand(['train', '--data', "it's.jsonl"])).toBe(
    String.raw`emloc train --data 'it'\''s.jsonl' --resume`,
  );
});

test('what another try may get past says how to go on, beside its own mend', () => {
  const killed = new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', 'ended', { mend: 'free memory' });
  expect(resumable(killed, 'emloc train --resume goes on')).toMatchObject({
    reason: 'OUT_OF_MEMORY',
    mend: 'free memory; then emloc train --resume goes on from the last checkpoint',
  });
  expect(resumable(new Interrupted(), 'emloc train --resume goes on')).toMatchObject({
    reason: 'INTERRUPTED',
    mend: 'emloc train --resume goes on',
  });
});

test('a request that is wrong would come to the same end again', () => {
  const wrong = new EmlocError('INVALID_ARGUMENT', 'BAD_OPTION', 'no');
  expect(resumable(wrong, 'emloc train --resume goes on')).toBe(wrong);
});
