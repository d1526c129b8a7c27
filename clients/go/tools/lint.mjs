#!/usr/bin/env node
/** Format, vet, module files and stubs of the Go client; skipped, said and counted as that, where there is no Go. */
import { resultsLine } from '../../../tools/test-results.mjs';
import * as checks from './checks.mjs';
import { missingGo } from './go.mjs';

const missing = missingGo();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  console.log(resultsLine({ skipped: 1, skips: [`lint: ${missing}`] }));
}
for (const [name, check] of missing === undefined ? Object.entries(checks) : []) {
  const wrong = check();
  console.log(wrong === '' ? `${name}: passed` : `${name}: failed\n${wrong}`);
  if (wrong !== '') process.exitCode = 1;
}
