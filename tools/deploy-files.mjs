#!/usr/bin/env node
/**
 * Writes what under deploy/ is made of something else there; with `--check` it only says whether it is up to date:
 *
 *   helm/emloc/files/alerts.yaml   a copy of observability/alerts.yaml: a chart holds its own files
 *   kustomize/base/emloc.yaml      what the chart says with its own values, for those who have no Helm
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toolPath } from './toolbox/toolbox.mjs';

const at = (path) => fileURLToPath(new URL(`../deploy/${path}`, import.meta.url));

put('helm/emloc/files/alerts.yaml', readFileSync(at('observability/alerts.yaml'), 'utf8'));

const helm = await toolPath('helm');
const args = ['template', 'emloc', at('helm/emloc'), '--namespace', 'emloc', '--skip-tests', '--no-hooks'];
const made = execFileSync(helm, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
// What belongs to a release of Helm means nothing here.
const plain = made.replace(/^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '');
put(
  'kustomize/base/emloc.yaml',
  `# Made by tools/deploy-files.mjs; change the chart, not this file.\n${plain}`,
);

function put(path, text) {
  if (!process.argv.includes('--check')) return writeFileSync(at(path), text);
  if (readFileSync(at(path), 'utf8') === text) return undefined;
  console.error(`error: deploy/${path} is not what it is made of (run: node tools/deploy-files.mjs)`);
  process.exitCode = 1;
}
