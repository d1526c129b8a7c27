/** Ctrl-C pauses, ends everything that was started, keeps the last checkpoint, and says how to go on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, until, Workplace } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

const work = new Workplace();
const data = work.path('train.jsonl');

beforeAll(() => writeTrainingData(data));
afterAll(() => work.dispose());

const training = ['--data', data, '--max-steps', '120', '--save-steps', '5'];

test('an interrupted job is paused, leaves no process, does not come back by itself, and resumes to its end', async () => {
  const tuned = work.path('tuned');
  const running = work.start(
    'finetune',
    '--model',
    tinyLlama,
    ...training,
    '--refine-steps',
    '0',
    '--output',
    tuned,
    '--id',
    'long',
  );
  await until(running, () => /^train/m.test(running.stderr()));
  running.child.kill('SIGINT');
  const { code, stderr } = await running.done;
  expect(code).toBe(130);
  expect(stderr).toContain('emloc jobs resume long');
  await expect.poll(() => work.processes()).toEqual([]);

  const { jobs } = await work.json<{ jobs: { id: string; state: string }[] }>('jobs', 'list');
  expect(jobs).toMatchObject([{ id: 'long', state: 'paused' }]);

  const idle = await work.run('jobs', 'cancel', 'long');
  expect(idle.code).toBe(0);
  expect(idle.stderr).toContain('job long does not run (paused): there is nothing to cancel');

  await work.succeed('jobs', 'resume', 'long');
  expect(JSON.parse(readFileSync(join(tuned, 'report.json'), 'utf8'))).toBeTypeOf('object');
});

test('an interrupted training goes on with --resume and ends where an undisturbed one ends', async () => {
  const command = ['train', '--model', tinyLlama, ...training];
  const down = await work.up();
  const running = work.start(...command, '--output', work.path('stopped'));
  await until(running, () => /^train/m.test(running.stderr()));
  running.child.kill('SIGINT');
  const { code, stderr } = await running.done;
  expect(code).toBe(130);
  // As it is printed, it can be typed.
  const goesOn = [...command, '--output', work.path('stopped'), '--resume'];
  expect(stderr).toContain(`(emloc ${goesOn.join(' ')} goes on)`);
  await work.succeed(...goesOn);
  await down();

  // In a home of its own: in the other one the result would be taken from the store.
  const undisturbed = new Workplace();
  await undisturbed.succeed(...command, '--output', undisturbed.path('whole'));
  const weights = (path: string): Buffer => readFileSync(join(path, 'adapter_model.safetensors'));
  expect(weights(work.path('stopped')).equals(weights(undisturbed.path('whole')))).toBe(true);
  await undisturbed.dispose();
});

test('a second Ctrl-C ends at once, and still leaves no process', async () => {
  const running = work.start(
    'train',
    '--model',
    tinyLlama,
    ...training,
    '--seed',
    '7',
    '--output',
    work.path('never'),
  );
  await until(running, () => /^train/m.test(running.stderr()));
  running.child.kill('SIGINT');
  running.child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 50));
  running.child.kill('SIGINT');
  expect((await running.done).code).toBe(130);
  await work.quiet();
});

test('--resume without anything to resume is refused', async () => {
  const { code, stderr } = await work.run(
    'train',
    '--model',
    tinyLlama,
    ...training,
    '--output',
    work.path('nothing'),
    '--resume',
  );
  expect(code).toBe(1);
  expect(stderr).toContain('error: --resume: no interrupted training into');
});
