import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emlocHome } from '../mesh/home.ts';
import { forgetRun, recallPlaces, recallRun, rememberRun } from './remembered-runs.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-runs-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const home = emlocHome({ EMLOC_HOME: directory });

test('a run is remembered by its output and by its id until it is forgotten', () => {
  expect(recallRun(home, '/out')).toBeUndefined();
  expect(recallPlaces(home, 'job-1')).toBeUndefined();
  rememberRun(home, '/out', 'job-1');
  rememberRun(home, '/other', 'job-2', '/log.jsonl');
  expect(recallRun(home, '/out')).toBe('job-1');
  expect(recallPlaces(home, 'job-1')).toEqual({ output: '/out', id: 'job-1' });
  expect(recallPlaces(home, 'job-2')).toMatchObject({ output: '/other', log: '/log.jsonl' });
  forgetRun(home, '/out');
  expect(recallRun(home, '/out')).toBeUndefined();
  expect(recallRun(home, '/other')).toBe('job-2');
});
