/** What the chart says, looked at without a cluster: every set of values, what is refused, and whether it is true. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { defaultPorts } from '@emloc/mesh/config';
import { describe, expect, test } from 'vitest';
import { lacking, root, run, tools } from '../tools.ts';
import { chart, helm, parse, podTemplates, template, valueSets } from './chart.ts';
import { mayCall } from './network.ts';

const missing = lacking('helm', 'kustomize');
const services = ['calibration', 'compression', 'coordinator', 'correction', 'inference', 'training'];

const refusal = (...set: readonly string[]): string => {
  const { code, stderr } = helm('template', 'emloc', chart, ...set.flatMap((each) => ['--set', each]));
  expect(code).not.toBe(0);
  return stderr;
};

describe.skipIf(missing !== undefined)(`the chart (${missing ?? 'helm is here'})`, () => {
  test('there are five sets of values and more', () => {
    expect(Object.keys(valueSets).length).toBeGreaterThanOrEqual(5);
  });

  test.each(Object.entries(valueSets))('passes the strict lint with the values %s', (_, values) => {
    const { code, stdout } = helm('lint', '--strict', chart, '--values', values);
    expect(stdout).toContain('0 chart(s) failed');
    expect(code).toBe(0);
  });

  test.each([
    ['a value of no name that it knows', ['services.training.replica=2'], /replica/],
    ['a wrong type', ['services.training.replicas=two'], /replicas/],
    ['two coordinators on one embedded database', ['services.coordinator.replicas=2'], /needs a PostgreSQL/],
    ['TLS without certificates', ['tls.enabled=true'], /tls\.existingSecret/],
    ['KEDA that does not know whom to ask', ['services.training.autoscaling.kind=keda'], /prometheusAddress/],
    ['scrapes where nothing is shown', ['podMonitor.enabled=true'], /metricsExporter/],
    ['a GPU for the coordinator', ['services.coordinator.gpu.enabled=true'], /never touches a tensor/],
    ['an ingress without a host', ['ingress.enabled=true'], /host/],
    ['a bad digest', ['image.digest=sha256:12'], /digest/],
  ])('refuses %s, and says which', (_, set, expected) => {
    expect(refusal(...set)).toMatch(expected);
  });

  test.each(Object.entries(valueSets))('%s: nothing may do more than its work', (_, values) => {
    const manifests = parse(template(values));
    for (const [name, { spec }] of Object.entries(podTemplates(manifests))) {
      expect(spec, name).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of spec.containers) {
        expect(container.securityContext, name).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources, name).toMatchObject({
          requests: { cpu: expect.anything(), memory: expect.anything() },
          limits: { memory: expect.anything() },
        });
      }
    }
    const accounts = manifests.filter(({ kind }) => kind === 'ServiceAccount');
    expect(accounts.map(({ metadata }) => metadata.name.split('-').at(-1)).sort()).toEqual(services);
  });

  test.each(Object.entries(valueSets))('%s: what is said to a service is what it reads', (_, values) => {
    const known = variablesOfTheCode();
    for (const [name, { spec }] of Object.entries(podTemplates(parse(template(values))))) {
      for (const { env = [] } of spec.containers) {
        const ours = (env as { name: string }[])
          .map((each) => each.name)
          .filter((each) => /^(EMLOC|HF)_/.test(each));
        expect(
          ours.filter((each) => !known.has(each)),
          name,
        ).toEqual([]);
      }
    }
  });

  test('a pod may stop for as long as its services take', () => {
    const { spec } = podTemplates(parse(template(valueSets['minimal'])))['emloc-training'];
    const env = Object.fromEntries(
      spec.containers[0].env.map((each: { name: string; value: string }) => [each.name, each.value]),
    );
    const needs =
      spec.containers[0].lifecycle.preStop.sleep.seconds * 1000 +
      Number(env.EMLOC_DRAIN_MS) +
      Number(env.EMLOC_STOP_GRACE_MS);
    expect(spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(needs);
  });

  test('every service has the port that it listens on unasked', () => {
    const ports = parse(template(valueSets['minimal']))
      .filter(({ kind, spec }) => kind === 'Service' && spec.clusterIP !== 'None')
      .map(({ metadata, spec }) => [metadata.name.replace('emloc-', ''), spec.ports[0].port]);
    expect(Object.fromEntries(ports)).toEqual(defaultPorts);
  });

  test('probes ask the port that answers them', () => {
    for (const values of [valueSets['minimal'], valueSets['tls']]) {
      for (const name of services) {
        const templates = podTemplates(parse(template(values)));
        const [container] = templates[`emloc-${name}`].spec.containers;
        const env = Object.fromEntries(
          container.env.map((each: { name: string; value: string }) => [each.name, each.value]),
        );
        const address = values === valueSets['tls'] ? env.EMLOC_HEALTH_ADDRESS : env.EMLOC_LISTEN_ADDRESS;
        const asked = ['startupProbe', 'readinessProbe', 'livenessProbe'].map(
          (probe) => container[probe].grpc,
        );
        expect(asked.map(({ port }) => `0.0.0.0:${port}`)).toEqual([address, address, address]);
        expect(asked.map(({ service }) => service)).toEqual(['liveness', '', 'liveness']);
      }
    }
  });

  test('who calls whom is what the network allows, and no more', () => {
    const manifests = parse(template(valueSets['minimal']));
    const calls: Record<string, string[]> = {};
    for (const from of services) calls[from] = services.filter((to) => mayCall(manifests, from, to));
    // As services/coordinator/src/stages/stage-clients.ts and services/compression/src/pull-grams.ts have it.
    expect(calls).toEqual({
      coordinator: ['compression', 'correction', 'inference', 'training'],
      compression: ['calibration'],
      calibration: [],
      correction: [],
      inference: [],
      training: [],
    });
    expect(services.filter((to) => mayCall(manifests, 'test', to))).toEqual(services);
  });

  test('the alerts are those of deploy/observability, and what is scraped has the name that they ask for', () => {
    const manifests = parse(template(valueSets['monitoring']));
    const [rule, monitor] = ['PrometheusRule', 'PodMonitor'].map((wanted) =>
      manifests.find(({ kind }) => kind === wanted),
    );
    const alerts = readFileSync(join(root, 'deploy', 'observability', 'alerts.yaml'), 'utf8');
    expect(rule?.spec).toEqual(parseYaml(alerts));
    const labels = podTemplates(manifests)['emloc-training'].metadata.labels;
    expect(labels[monitor?.spec.jobLabel]).toBe('emloc');
  });

  test('what is made of the chart, and put into it, is up to date', () => {
    const { stderr } = run(process.execPath, ['tools/deploy-files.mjs', '--check']);
    expect(stderr).toBe('');
  });

  test.each(readdirSync(join(root, 'deploy', 'kustomize', 'overlays')))(
    'the overlay %s builds',
    (overlay) => {
      const manifests = parse(kustomized(overlay));
      const coordinator = manifests.find(({ kind }) => kind === 'StatefulSet');
      const isEmbedded = manifests.some(({ metadata }) => metadata.name === 'emloc-database');
      expect(JSON.stringify(coordinator).includes('EMLOC_DATABASE_URL')).toBe(!isEmbedded);
      expect(
        coordinator?.spec.template.spec.volumes.some((each: { name: string }) => each.name === 'database'),
      ).toBe(isEmbedded);
    },
  );
});

function kustomized(overlay: string): string {
  const [kustomize = ''] = tools('kustomize');
  const { code, stdout, stderr } = run(kustomize, [
    'build',
    join(root, 'deploy', 'kustomize', 'overlays', overlay),
  ]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** Names of variables that stand in the sources. */
function variablesOfTheCode(): Set<string> {
  const { stdout } = run('git', [
    'grep',
    '-ohE',
    '(EMLOC|HF)_[A-Z0-9_]+',
    '--',
    'libs',
    'services',
    ':!*.test.ts',
    ':!*.md',
  ]);
  const names = new Set(stdout.trim().split('\n'));
  // Composed of the service's name.
  for (const name of services) names.add(`EMLOC_${name.toUpperCase()}_ADDRESS`);
  return names;
}
