import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TrainingLog } from './training-log.ts';

function logPath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-log-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'log.jsonl');
}

const line = (step: number) => ({ step, loss: step, grad_norm: 1, learning_rate: 0.1, tokens: 10 });

test('a run that goes on keeps the lines that its checkpoint knows, and drops the rest and a cut one', () => {
  const path = logPath();
  const first = new TrainingLog(path, 0);
  for (const step of [1, 2, 3]) first.add(line(step));
  appendFileSync(path, '{"step":4,"lo');
  const second = new TrainingLog(path, 2);
  second.add(line(3));
  expect(
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text).step),
  ).toEqual([1, 2, 3]);
  expect(second.tokens).toBe(30);
  expect(second.finalLoss).toBe(2);
});

test('the final loss is the mean of the last ten steps', () => {
  const log = new TrainingLog(logPath(), 0);
  for (let step = 1; step <= 20; step += 1) log.add(line(step));
  expect(log.finalLoss).toBe(15.5);
});
