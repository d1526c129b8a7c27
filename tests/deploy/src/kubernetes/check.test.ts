/** What `helm test` runs, before a mesh that is there and before one of whose services is not. */
import { join } from 'node:path';
import { until, Workplace, type Running } from '@emloc/e2e';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, run } from '../tools.ts';

const work = new Workplace();
let up: Running;
let addresses: Record<string, string>;

beforeAll(async () => {
  up = work.start('up', '--json');
  await until(up, () => up.stdout().trimEnd().endsWith('}'));
  ({ addresses } = JSON.parse(up.stdout()) as { addresses: Record<string, string> });
});
afterAll(async () => {
  up.child.kill('SIGINT');
  await up.done;
  await work.dispose();
});

function check(changed: Record<string, string> = {}) {
  const env: NodeJS.ProcessEnv = { ...process.env, EMLOC_LOG_FORMAT: 'json' };
  for (const [name, address] of Object.entries({ ...addresses, ...changed })) {
    // As the chart has them: a name that is looked up.
    env[`EMLOC_${name.toUpperCase()}_ADDRESS`] = `dns:///${address.replace('127.0.0.1', 'localhost')}`;
  }
  const path = join(root, 'services', 'coordinator', 'src', 'check-main.ts');
  return run(process.execPath, ['--import', 'tsx', path], { env });
}

test('every service is reached and serves', () => {
  const { code, stderr } = check();
  expect(code, stderr).toBe(0);
  expect(stderr.match(/"serves"/g)).toHaveLength(6);
});

test('a service that is not there is named', () => {
  const { code, stderr } = check({ training: '127.0.0.1:1' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/"service":"training".*is not ready/);
  expect(stderr.match(/"serves"/g)).toHaveLength(5);
});
