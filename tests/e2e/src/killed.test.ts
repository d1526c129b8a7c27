/** A process that the system kills costs the steps since its last checkpoint, and nothing else. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, until, Workplace } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

const work = new Workplace();
const data = work.path('train.jsonl');

beforeAll(() => writeTrainingData(data));
afterAll(() => work.dispose());

const adapterIn = (directory: string): Buffer =>
  readFileSync(join(directory, 'adapter-uncorrected', 'adapter_model.safetensors'));

test('a finetune whose training process is killed ends with the adapter of an undisturbed one', async () => {
  const steps = ['--max-steps', '80', '--save-steps', '5', '--refine-steps', '0'];
  const command = ['finetune', '--model', tinyLlama, '--data', data, ...steps];
  const running = work.start(...command, '--output', work.path('killed'), '--id', 'killed');
  const trains = join(
    work.home,
    'state',
    'operations',
    'killed-train',
    'checkpoint',
    'checkpoint.safetensors',
  );
  await until(running, () => existsSync(trains));
  process.kill(work.workerOf('killed-train')!, 'SIGKILL');
  const { code, stderr } = await running.done;
  expect(stderr).toMatch(/warning: train: the process was ended from outside.*; attempt 2 goes on/);
  expect(code).toBe(0);

  // In a home of its own: in the other one the result would be taken from the store.
  const undisturbed = new Workplace();
  await undisturbed.succeed(...command, '--output', undisturbed.path('whole'));
  expect(adapterIn(work.path('killed')).equals(adapterIn(undisturbed.path('whole')))).toBe(true);
  await undisturbed.dispose();
});
