/** The memory that the Helm chart gives, against today's predictions: they change with the code, a chart does not by itself. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository } from './support/test-mesh.ts';

/** The lines of values that say what a service gets. */
const resources =
  /^ {2}(\w+):\n {4}resources: \{ requests: \{ (?:cpu: [^,]+, )?memory: (\w+) \}, limits: \{ memory: (\w+) \} \}$/gm;
const memoryIn = (values: string) =>
  new Map([...values.matchAll(resources)].map(([, name, requests, limits]) => [name, { requests, limits }]));

test('memory in the chart is what the planner says (tools/helm-resources.mjs, then tools/deploy-files.mjs)', () => {
  const model = 'tests/fixtures/shapes/smollm2-1.7b';
  const args = ['--import', 'tsx', 'tools/helm-resources.mjs', '--model', model];
  const planned = execFileSync(process.execPath, args, { cwd: repository, encoding: 'utf8' });
  const said = memoryIn(readFileSync(join(repository, 'deploy/helm/emloc/values.yaml'), 'utf8'));
  said.delete('coordinator');
  expect(said.size).toBe(5);
  expect(said).toEqual(memoryIn(planned));
});
