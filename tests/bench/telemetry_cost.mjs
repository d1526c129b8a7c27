#!/usr/bin/env node
/**
 * What traces and metrics cost a job: the same fine-tuning in pairs, with and without them, each in a mesh and a home of its
 * own. The two of a pair run at the same time: what else the machine does, which changes a processor second's worth by more
 * than what is measured here, is done to both.
 *
 *   node tests/bench/telemetry_cost.mjs [--pairs 4] [--steps 600] [--model DIR] [--data FILE]
 *
 * With them, spans and metrics go by OTLP (gRPC is not needed for that: http/protobuf) to a server in this process that
 * takes and drops them, as often as by default, and every service opens its page for Prometheus. Reported for each pair, and
 * for all together: `seconds` of the job, from its turn to its end; `processor` seconds of the services and of all processes
 * that they started, during the job; and `whole`, the same from the start of the services, with the command's own.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
const fixture = join(root, 'tests', 'fixtures', 'tiny-llama');
const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '4' },
    steps: { type: 'string', default: '600' },
    model: { type: 'string', default: fixture },
    data: { type: 'string', default: join(fixture, 'train.jsonl') },
  },
});
const services = ['calibration', 'compression', 'training', 'correction', 'inference', 'coordinator'];
const clockTicks = 100;
/** A command whose output ends with what it took: user and system, as in `0m1.230s 0m0.120s`. */
const timed = ['sh', '-c', '"$@"; code=$?; times; exit $code', 'sh'];
const keys = ['seconds', 'processor', 'whole'];

let received = { requests: 0, bytes: 0 };
const sink = createServer((request, response) => {
  received.requests += 1;
  request.on('data', (chunk) => (received.bytes += chunk.length)).on('end', () => response.end());
});
await new Promise((resolve) => sink.listen(0, '127.0.0.1', resolve));

const telemetry = {
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.address().port}`,
  OTEL_METRICS_EXPORTER: 'otlp,prometheus',
  OTEL_EXPORTER_PROMETHEUS_PORT: '29464',
};
const pairs = [];
await Promise.all([job('off'), job('on')]); // compiles programs and fills the system's caches
for (let pair = 0; pair < Number(values.pairs); pair += 1) {
  received = { requests: 0, bytes: 0 };
  const [off, on] = await Promise.all([job('off'), job('on')]);
  const measured = { off, on };
  pairs.push(measured);
  console.log(
    `pair ${pair + 1}: ${keys.map((key) => `${key} ${text(measured, key)}`).join(', ')}; ` +
      `sent ${received.requests} requests, ${received.bytes} bytes`,
  );
}
for (const key of keys) {
  const differences = pairs.map(({ on, off }) => (100 * (on[key] - off[key])) / off[key]);
  const sum = (variant) => pairs.reduce((total, pair) => total + pair[variant][key], 0);
  const share = (100 * (sum('on') - sum('off'))) / sum('off');
  const off = median(pairs.map((pair) => pair.off[key]));
  const extra = median(pairs.map((pair) => pair.on[key] - pair.off[key]));
  console.log(
    `${key}: all pairs ${sum('off').toFixed(2)} → ${sum('on').toFixed(2)} s (${share.toFixed(1)} %); median ${off.toFixed(2)} s without, ${extra >= 0 ? '+' : ''}${extra.toFixed(2)} s with (` +
      `${((100 * extra) / off).toFixed(1)} %); pairs ${differences.map((d) => d.toFixed(1)).join(', ')} %`,
  );
}
sink.close();

async function job(variant) {
  const home = mkdtempSync(join(tmpdir(), 'emloc-bench-'));
  const env = { ...process.env, EMLOC_HOME: home, ...(variant === 'on' ? telemetry : {}) };
  const mesh = start(['up', '--json'], env);
  try {
    await mesh.saysFirst;
    const pids = services.map((name) => processOf(home, name));
    const before = processorSeconds(pids);
    const steps = ['--max-steps', values.steps];
    const output = ['--output', join(home, 'tuned'), '--id', 'bench'];
    const command = ['finetune', '--model', values.model, '--data', values.data, ...steps, ...output];
    const said = await start(command, env, timed).ended;
    const after = processorSeconds(pids);
    const { stages } = JSON.parse(readFileSync(join(home, 'tuned', 'report.json'), 'utf8'));
    const seconds = stages.reduce((sum, stage) => sum + (stage.seconds ?? 0), 0);
    return { seconds, processor: after - before, whole: after + commandSeconds(said) };
  } finally {
    mesh.child.kill('SIGINT');
    await mesh.closed;
    rmSync(home, { recursive: true, force: true });
  }
}

function start(args, env, wrapper = []) {
  const [program, ...rest] = [...wrapper, process.execPath, join(root, 'clients/cli/bin/emloc.mjs'), ...args];
  const child = spawn(program, rest, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let printed = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  child.stdout.on('data', (chunk) => (printed += chunk));
  const saysFirst = new Promise((resolve) => child.stdout.once('data', resolve));
  const closed = new Promise((resolve) => child.once('close', resolve));
  const ended = closed.then((code) => {
    if (code !== 0) throw new Error(`emloc ${args[0]} ended with ${code}:\n${said}`);
    return printed;
  });
  ended.catch(() => {});
  return { child, saysFirst, closed, ended };
}

function commandSeconds(printed) {
  const [user, system] = printed.trim().split('\n').at(-1).split(' ');
  const seconds = (time) => Number(time.split('m')[0]) * 60 + Number.parseFloat(time.split('m')[1]);
  return seconds(user) + seconds(system);
}

/** From the line that says that a service is up. */
function processOf(home, name) {
  const lines = readFileSync(join(home, 'logs', `${name}.log`), 'utf8').split('\n');
  return JSON.parse(lines.findLast((line) => line.startsWith('{"ready"'))).pid;
}

/** Of processes and of their children that have ended, user and system. */
function processorSeconds(pids) {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / clockTicks;
  }, 0);
}

function text({ on, off }, key) {
  return `${off[key].toFixed(2)} → ${on[key].toFixed(2)} s`;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
