#!/usr/bin/env node
/**
 * The tests of the Go client, in a mesh that they start, and gofmt and vet, each of which counts one. Says at the end
 * what passed, for `npm test` to count; skipped, and said, where there is no Go. Arguments go to `go test`.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fromGoTest, resultsLine } from '../../../tools/test-results.mjs';
import { format, vet } from './checks.mjs';
import { clientRoot, missingGo } from './go.mjs';

const missing = missingGo();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  console.log(resultsLine({ skipped: 1, skips: [missing] }));
} else {
  const results = await test();
  for (const [name, check] of Object.entries({ gofmt: format, 'go vet': vet })) {
    const wrong = check();
    if (wrong === '') results.passed += 1;
    else {
      console.log(`${name}:\n${wrong}`);
      results.failed += 1;
      results.failures.push(`Go client: ${name}`);
    }
  }
  console.log(resultsLine(results));
  process.exitCode = results.failed === 0 ? 0 : 1;
}

async function test() {
  const args = ['test', '-json', '-count=1', '-timeout=20m', ...process.argv.slice(2), './...'];
  const child = spawn('go', args, { cwd: clientRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    show(line);
  }
  const code = await ended;
  const results = fromGoTest(lines.filter((line) => line.startsWith('{')).join('\n'));
  if (code === 0 || results.failed > 0) return results;
  return { ...results, failed: 1, failures: [`Go client: go test ended with ${code}`] };
}

/** What the tests say, without the lines that only count. */
function show(line) {
  const said = line.startsWith('{') ? JSON.parse(line).Output : `${line}\n`;
  if (said !== undefined && !/^=== (RUN|PAUSE|CONT|NAME)/.test(said)) process.stdout.write(said);
}
