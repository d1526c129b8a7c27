#!/usr/bin/env node
/** `node tools/contracts/main.mjs lint|breaking|reference [--write]`: one check of the contracts; 1 where it fails. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as checks from './checks.mjs';
import { referencePath, renderReference } from './reference.mjs';
import { root } from './run-buf.mjs';

const [name, flag] = process.argv.slice(2);
const check = Object.hasOwn(checks, name ?? '') ? checks[name] : undefined;
if (check === undefined || (flag !== undefined && (flag !== '--write' || name !== 'reference'))) {
  console.error('usage: node tools/contracts/main.mjs lint|breaking|reference [--write]');
  process.exit(2);
}
if (flag === '--write') {
  const path = join(root, referencePath);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await renderReference());
}
const { passed, text } = await check();
if (text !== '') console.log(text);
process.exitCode = passed ? 0 : 1;
