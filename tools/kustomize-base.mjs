#!/usr/bin/env node
/**
 * Writes deploy/kustomize/base/emloc.yaml: what the chart says with its own values, for those who have no Helm. With
 * `--check` it only says whether the file is that. Needs helm (tools/toolbox).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toolPath } from './toolbox/toolbox.mjs';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const file = at('deploy/kustomize/base/emloc.yaml');

const helm = await toolPath('helm');
const args = [
  'template',
  'emloc',
  at('deploy/helm/emloc'),
  '--namespace',
  'emloc',
  '--skip-tests',
  '--no-hooks',
];
const made = execFileSync(helm, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
// What belongs to a release of Helm means nothing here.
const plain = made.replace(/^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '');
const text = `# Made by tools/kustomize-base.mjs; change the chart, not this file.\n${plain}`;

if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error(`error: ${file} is not what the chart says (run: node tools/kustomize-base.mjs)`);
  process.exitCode = 1;
}
