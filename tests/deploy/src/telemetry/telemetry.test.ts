/**
 * A mesh observed by the real tools: a job's trace asked of Zipkin, which had it from a collector; Prometheus, which scraped
 * the services, answers every query of the dashboards.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tinyLlama, Workplace, writeTrainingData } from '@emloc/e2e';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking, root, run, tools } from '../tools.ts';
import { getJson, until } from './background.ts';
import { gapsIn, type ZipkinSpan } from './gaps.ts';
import { configuration, startStack, type Stack } from './stack.ts';

const missing = lacking('otelcol', 'zipkin', 'prometheus');
if (missing !== undefined) console.error(`skipped, telemetry: ${missing}`);

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}
interface Answer {
  readonly data: { readonly result: readonly { readonly values: readonly [number, string][] }[] };
}
interface Rules {
  readonly data: {
    readonly groups: readonly { readonly rules: readonly { name: string; health: string }[] }[];
  };
}

const panels = readdirSync(join(configuration, 'dashboards')).flatMap((name) => {
  const text = readFileSync(join(configuration, 'dashboards', name), 'utf8');
  return (JSON.parse(text) as { panels: Panel[] }).panels;
});
const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));
const services = ['calibration', 'compression', 'training', 'correction', 'inference', 'coordinator'];

describe.skipIf(missing !== undefined)('a job, observed', () => {
  const work = new Workplace();
  const begun = Date.now() / 1000;
  const stalls = monitorEventLoopDelay();
  let stack: Stack;
  let down = async (): Promise<void> => {};

  beforeAll(async () => {
    const directory = work.path('observability');
    mkdirSync(directory);
    stack = await startStack(directory);
    Object.assign(process.env, stack.env);
    const data = work.path('train.jsonl');
    await writeTrainingData(data);
    down = await work.up();
    const job = ['finetune', '--model', tinyLlama, '--data', data, '--max-steps', '24', '--eval-steps', '8'];
    // The first makes the series, the second makes them grow: a rate needs both.
    await work.succeed(...job, '--seed', '1', '--output', work.path('first'));
    await work.run('jobs', 'get', 'there-is-none');
    stalls.enable();
    await work.succeed(...job, '--seed', '2', '--output', work.path('second'), '--id', 'observed');
    stalls.disable();
    await work.run('jobs', 'get', 'there-is-none');
  });

  afterAll(async () => {
    await down();
    await stack?.stop();
    await work.dispose();
  });

  test('Zipkin has the whole trace: every service, one root, every parent known, no second unexplained', async () => {
    const trace = await until(() => wholeTrace(stack.zipkin), 'Zipkin has the trace of the job', 120_000);
    const known = new Set(trace.map(({ id }) => id));
    const orphans = trace.filter(({ parentId }) => parentId !== undefined && !known.has(parentId));
    expect(orphans.map(({ name }) => name)).toEqual([]);
    const roots = trace.filter(({ parentId }) => parentId === undefined);
    expect(roots.map(({ name }) => name)).toEqual(['emloc finetune']);
    expect(new Set(trace.map(({ localEndpoint }) => localEndpoint?.serviceName))).toEqual(
      new Set([...services, 'emloc-cli']),
    );
    const stages = trace.flatMap(({ tags }) => tags?.['emloc.stage'] ?? []);
    expect(new Set(stages)).toEqual(new Set(['plan', 'compress', 'train', 'correct', 'refine', 'select']));
    const tensors = trace.filter(({ tags }) => Number(tags?.['emloc.tensor.bytes']) > 0);
    expect(new Set(tensors.map(({ localEndpoint }) => localEndpoint?.serviceName))).toEqual(
      new Set(['calibration', 'compression']),
    );
    const job = trace.find(({ name }) => name === 'job');
    expect(job?.tags).toMatchObject({ 'emloc.job.id': 'observed', 'emloc.job.state': 'SUCCEEDED' });
    // A machine on which this very process stood still explains as much.
    const stalledSeconds = stalls.max / 1e9;
    const long = gapsIn(trace, job as ZipkinSpan).filter(({ seconds }) => seconds > 1 + stalledSeconds);
    expect(long).toEqual([]);
  });

  test.each(queries)('%s: Prometheus has data for %s', async (_title, expr) => {
    const query = new URLSearchParams({
      query: expr.replaceAll('$__rate_interval', '30s'),
      start: String(begun),
      end: String(Date.now() / 1000),
      step: '2',
    });
    const found = await until(
      async () => {
        const { data } = await getJson<Answer>(`${stack.prometheus}/api/v1/query_range?${query}`);
        const values = data.result.flatMap((series) => series.values.map(([, value]) => Number(value)));
        return values.some(Number.isFinite) && values;
      },
      'the query has an answer',
      30_000,
    );
    expect(found.length).toBeGreaterThan(0);
  });

  test('the collector, to which the services push, shows the same metrics under the same names', async () => {
    const wanted = new Set(queries.flatMap(([, expr]) => expr.match(/\b(emloc|rpc)_[a-z_]+/g) ?? []));
    // Labels, and what has not happened in this mesh.
    const others =
      /^(emloc_(stage|operation_kind|operation_state|job_state)|rpc_(method|status_code))$|_retries_total$/;
    const names = [...wanted].filter((name) => !others.test(name));
    const page = await until(
      async () => {
        const text = await (await fetch(stack.collected)).text();
        return names.every((name) => new RegExp(`^${name}\\{.*service_name=`, 'm').test(text)) && text;
      },
      `the collector has ${names.join(', ')}`,
    );
    expect(page).toContain('emloc_operation_queue_length');
  });

  test('the alert rules are loaded and can be evaluated', async () => {
    const { data } = await getJson<Rules>(`${stack.prometheus}/api/v1/rules`);
    const rules = data.groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(0);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  async function wholeTrace(zipkin: string): Promise<ZipkinSpan[] | undefined> {
    const query = new URLSearchParams({
      serviceName: 'emloc-cli',
      limit: '100',
      lookback: '86400000',
    });
    const traces = await getJson<ZipkinSpan[][]>(`${zipkin}/api/v2/traces?${query}`);
    const trace = traces.find((spans) => spans.some(({ tags }) => tags?.['emloc.job.id'] === 'observed'));
    if (trace?.some(({ name }) => name === 'emloc finetune') !== true) return undefined;
    const known = new Set(trace.map(({ id }) => id));
    const parents = new Set(trace.map(({ parentId }) => parentId));
    // Each service sends in its own time; what it was called for, its caller knows.
    const whole = trace.every(
      ({ id, kind, parentId }) =>
        (parentId === undefined || known.has(parentId)) && (kind !== 'CLIENT' || parents.has(id)),
    );
    return whole ? trace : undefined;
  }
});

describe.skipIf(lacking('prometheus') !== undefined)('rules and configuration', () => {
  const promtool = (...args: string[]) => {
    const [prometheus = ''] = tools('prometheus');
    return run(join(prometheus, '..', 'promtool'), args, { cwd: configuration });
  };

  test('promtool takes the configuration and the rules, and every alert fires when it should and not before', () => {
    for (const args of [
      ['check', 'config', 'prometheus.yaml'],
      ['check', 'rules', 'alerts.yaml'],
      ['test', 'rules', 'alerts.test.yaml'],
    ]) {
      const { code, stdout, stderr } = promtool(...args);
      expect(`${stdout}${stderr}`).not.toContain('FAILED');
      expect(code).toBe(0);
    }
  });

  test('every alert is tested, and says what to do in a section of the docs', () => {
    const rules = parse(readFileSync(join(configuration, 'alerts.yaml'), 'utf8')) as {
      groups: { rules: { alert: string; annotations: { runbook: string } }[] }[];
    };
    const tests = parse(readFileSync(join(configuration, 'alerts.test.yaml'), 'utf8')) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts?: object[] }[] }[];
    };
    const fired = tests.tests.flatMap(({ alert_rule_test: all }) =>
      all.filter(({ exp_alerts: alerts = [] }) => alerts.length > 0).map(({ alertname }) => alertname),
    );
    const runbook = readFileSync(join(root, 'docs', 'alerts.md'), 'utf8');
    for (const { alert, annotations } of rules.groups.flatMap((group) => group.rules)) {
      expect(fired).toContain(alert);
      expect(annotations.runbook).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
      expect(runbook).toContain(`\n## ${alert}\n`);
    }
  });
});
