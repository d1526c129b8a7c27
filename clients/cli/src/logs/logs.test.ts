import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { run } from '../run.ts';
import { jobLine } from './log-line.ts';
import { Tail } from './tail.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-logs-'));
const logs = join(directory, 'logs');
const log = (name: string): string => join(logs, `${name}.log`);
beforeEach(() => {
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function emloc(...args: string[]) {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const code = await run(['logs', ...args], { streams, environment: { EMLOC_HOME: directory } });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(streams.stdout), stderr: text(streams.stderr) };
}

const line = (time: string, fields: object): string =>
  `${JSON.stringify({ level: 'info', time: `2026-01-02T03:04:${time}Z`, pid: 7, hostname: 'h', ...fields })}\n`;

test('lines of all services come in the order of time, with their fields, what is printed stays in its place', async () => {
  writeFileSync(
    log('training'),
    line('01.000', { name: 'training', msg: 'listening', address: '127.0.0.1:1' }) +
      '{"ready":true,"service":"training"}\n' +
      'a stack\n' +
      line('03.000', { name: 'training', level: 'error', msg: 'failed', trace_id: '0123456789abcdef' }),
  );
  writeFileSync(log('inference'), line('02.000', { name: 'inference', msg: 'listening' }));
  const { code, stdout, stderr } = await emloc();
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.split('\n')).toEqual([
    '2026-01-02 03:04:01 INFO  training: listening address=127.0.0.1:1',
    '2026-01-02 03:04:01 OUT   training: a stack',
    '2026-01-02 03:04:02 INFO  inference: listening',
    '2026-01-02 03:04:03 ERROR training: failed trace=01234567',
    '',
  ]);
  expect((await emloc('--lines', '1')).stdout).toMatch(/^2026-01-02 03:04:03 ERROR/);
  expect((await emloc('--service', 'inference')).stdout.trim().split('\n')).toHaveLength(1);
  const objects = (await emloc('--json')).stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as object);
  expect(objects[3]).toMatchObject({ service: 'training', level: 'error', trace_id: '0123456789abcdef' });
});

test('where nothing is logged yet, that is said', async () => {
  expect(await emloc()).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(logs) });
});

test('a service that is none is wrong usage', async () => {
  expect(await emloc('--service', 'trainer')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("'trainer' is not one of calibration"),
  });
});

test('of a mesh elsewhere there are the events of a job, no files: both are said', async () => {
  expect(await emloc('--server', 'gpu-box:7600')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^error: --job is not given: services keep their logs/),
  });
  expect(await emloc('--server', 'gpu-box:7600', '--job', 'a', '--service', 'training')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--service reads files'),
  });
});

test('a log is read as it grows, half lines when they are whole, anew when it was put aside', () => {
  const tail = new Tail(log('mesh'));
  expect(tail.read()).toEqual([]);
  writeFileSync(log('mesh'), 'one\ntwo\nthr');
  expect(tail.read()).toEqual(['one', 'two']);
  expect(tail.read()).toEqual([]);
  appendFileSync(log('mesh'), 'ee\n');
  expect(tail.read()).toEqual(['three']);
  renameSync(log('mesh'), `${log('mesh')}.1`);
  writeFileSync(log('mesh'), 'a line that is longer than the former file\n');
  expect(tail.read()).toEqual(['a line that is longer than the former file']);
});

test('of a job there is a line for what is worth one', () => {
  const time = { seconds: 1, nanos: 5e8 };
  const stage = (event: object) => ({ cursor: 1, time, stageEvent: { stage: 'train', event } }) as never;
  expect(jobLine('j', stage({ progress: { step: 1 } }))).toBeUndefined();
  expect(jobLine('j', stage({ trainingStep: { step: 1 } }))).toBeUndefined();
  expect(jobLine('j', stage({ notice: { text: 'away', warning: true } }))).toMatchObject({
    ...{ timeMs: 1500, source: 'job j', level: 'warn', text: 'train: away' },
    object: { job: 'j', msg: 'train: away', time: '1970-01-01T00:00:01.500Z' },
  });
  const failed = { state: 'JOB_STATE_FAILED', result: null, error: { code: 3, message: 'no', details: [] } };
  expect(jobLine('j', { cursor: 2, time, stateChanged: failed } as never)).toMatchObject({
    ...{ level: 'error', text: 'failed: no' },
  });
});
