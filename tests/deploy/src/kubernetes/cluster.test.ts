/** Every manifest before a real kube-apiserver (with etcd), which validates strictly; releases installed and upgraded there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking, root, run, tools } from '../tools.ts';
import { chart, parse, podTemplates, template, valueSets } from './chart.ts';
import { Cluster } from './cluster.ts';
import { schemaTemplate, writeSchemas } from './schemas.ts';

const missing = lacking(
  'helm',
  'kubectl',
  'etcd',
  'kube-apiserver',
  'kubeconform',
  'kustomize',
  'kubernetes-crds',
);
const sets = Object.entries(valueSets);

// A script for Node alone, without types.
const script = new URL('../../../../tools/last-tags.mjs', import.meta.url).href;
const { lastTags } = (await import(script)) as { lastTags(path: string, repository: string): string[] };
const tags = lastTags('deploy/helm/emloc/Chart.yaml', root);

describe.skipIf(missing !== undefined)(`a kube-apiserver (${missing ?? 'is here'})`, () => {
  let cluster: Cluster;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'emloc-manifests-'));
    cluster = await Cluster.start();
    writeSchemas(cluster, join(directory, 'schemas'));
    cluster.createNamespace('emloc');
  });
  afterAll(async () => {
    await cluster?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const conform = (manifests: string): { code: number | null; stdout: string; stderr: string } => {
    const [kubeconform = ''] = tools('kubeconform');
    const schemas = join(directory, 'schemas', schemaTemplate);
    return run(kubeconform, ['-strict', '-summary', '-schema-location', schemas, '-'], { input: manifests });
  };
  const install = (release: string, from: string, values: string | undefined) =>
    cluster.helm([
      ...['upgrade', '--install', release, from, '--namespace', release, '--no-hooks'],
      ...(values === undefined ? [] : ['--values', values]),
    ]);

  test.each(sets)('%s: every manifest conforms to the schemas of its kind', (_, values) => {
    const { code, stdout } = conform(template(values));
    expect(stdout).toContain('Invalid: 0, Errors: 0, Skipped: 0');
    expect(code, stdout).toBe(0);
  });

  test.each(sets)('%s: the server takes every manifest, and warns of none', (name, values) => {
    cluster.createNamespace(name);
    const manifests = template(values, '--namespace', name);
    const { code, stdout, stderr } = cluster.apply(name, manifests);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(parse(manifests).length);
  });

  test.each(sets)(
    '%s: pods of every template are taken where the strictest standard holds',
    (set, values) => {
      for (const [name, { metadata, spec }] of Object.entries(podTemplates(parse(template(values))))) {
        // Named in the values, made by whoever runs the cluster.
        const { priorityClassName: _class, runtimeClassName: _runtime, ...rest } = spec;
        const labels = metadata.labels as object;
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'dry', labels }, spec: rest };
        const args = ['create', '--dry-run=server', '--validate=strict', '--namespace', set, '-f', '-'];
        const { code, stderr } = cluster.kubectl(args, JSON.stringify(pod));
        expect(stderr, name).toBe('');
        expect(code, name).toBe(0);
      }
    },
  );

  test.each(['postgres', 'gpu'])(
    'the overlay %s of kustomize conforms, and the server takes it',
    (overlay) => {
      const [kustomize = ''] = tools('kustomize');
      const { stdout } = run(kustomize, ['build', join(root, 'deploy', 'kustomize', 'overlays', overlay)]);
      expect(conform(stdout).stdout).toContain('Invalid: 0, Errors: 0, Skipped: 0');
      const { code, stderr } = cluster.kubectl(
        ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'],
        stdout,
      );
      expect(stderr).toBe('');
      expect(code).toBe(0);
    },
  );

  const good = () => template(valueSets['minimal'], '--namespace', 'minimal');
  test.each([
    [
      'a misspelt field',
      /^( +)terminationGracePeriodSeconds:/m,
      '$1terminationGracePeriodSecond:',
      /\.spec\.template\.spec\.terminationGracePeriodSecond: field not declared in schema/,
    ],
    [
      'a misspelt probe',
      /^( +)livenessProbe:/m,
      '$1livelinessProbe:',
      /livelinessProbe: field not declared in schema/,
    ],
    ['a port that is none', /^( +)port: 50550$/m, '$1port: 70000', /70000/],
    ['a policy of no type', /policyTypes: \[Ingress, Egress\]/, 'policyTypes: [Inside]', /Inside/],
  ])('%s is refused: the validation bites', (_, pattern, replacement, said) => {
    const bad = good().replace(pattern, replacement);
    expect(bad).not.toBe(good());
    const { code, stderr } = cluster.apply('minimal', bad);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(said);
  });

  test('kubeconform refuses a misspelt field, too', () => {
    const { code, stdout } = conform(
      good().replace(/^( +)terminationGracePeriodSeconds:/m, '$1terminationGracePeriodSecond:'),
    );
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/terminationGracePeriodSecond/);
  });

  test('a resource that the server does not know is refused', () => {
    const { code, stderr } = cluster.apply(
      'minimal',
      'apiVersion: keda.sh/v1\nkind: ScaledObject\nmetadata: { name: x }\n',
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/no matches for kind "ScaledObject" in version "keda.sh\/v1"/);
  });

  test('a release is upgraded from each set of values to the next, and back to the first', () => {
    cluster.createNamespace('upgrades');
    // Other names are other objects, not the same ones upgraded.
    const same = sets.filter(([name]) => name !== 'single-node').map(([, values]) => values);
    for (const values of [...same, same[0]]) {
      const { code, stderr } = install('upgrades', chart, values);
      expect(stderr.replace(/^.*WARNING.*\n/gm, '')).toBe('');
      expect(code, values).toBe(0);
    }
    const claims = cluster.get<{ items: { metadata: { name: string } }[] }>(
      '/api/v1/namespaces/upgrades/persistentvolumeclaims',
    );
    expect(claims.items.map(({ metadata }) => metadata.name)).toEqual([
      'upgrades-emloc-database',
      'upgrades-emloc-storage',
    ]);
    const { items } = cluster.get<{ items: { metadata: { generation: number } }[] }>(
      '/apis/apps/v1/namespaces/upgrades/deployments',
    );
    // Changed in place: a deployment that was made anew would have begun at 1.
    for (const { metadata } of items) expect(metadata.generation).toBeGreaterThan(1);
  });

  test('what may not change is refused by the server: the upgrades above mean something', () => {
    const moved = good().replaceAll('app.kubernetes.io/name: emloc', 'app.kubernetes.io/name: other');
    const { code, stderr } = cluster.apply('minimal', moved);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/field is immutable/);
    const smaller = cluster.helm([
      ...['upgrade', 'upgrades', chart, '--namespace', 'upgrades', '--no-hooks'],
      ...['--set', 'storage.size=1Gi'],
    ]);
    expect(smaller.code).not.toBe(0);
    expect(smaller.stderr).toMatch(/spec is immutable/);
  });

  test('an uninstalled release leaves its volumes', () => {
    expect(
      cluster.must(cluster.helm(['uninstall', 'upgrades', '--namespace', 'upgrades', '--no-hooks'])),
    ).toContain('uninstalled');
    const of = (path: string) =>
      cluster.get<{ items: unknown[] }>(`${path.replace('NS', 'namespaces/upgrades')}`).items.length;
    expect(of('/api/v1/NS/persistentvolumeclaims')).toBe(2);
    expect(of('/api/v1/NS/services')).toBe(0);
  });

  test.skipIf(tags.length === 0)(
    `the chart of the last tag (${tags.join(' and ') || 'there is none with a chart yet'}) is upgraded to this one`,
    () => {
      for (const [number, tag] of tags.entries()) {
        const release = `tagged-${number}`;
        const archive = join(directory, `${release}.tar`);
        cluster.createNamespace(release);
        cluster.must(
          run('git', ['archive', '--output', archive, `--prefix=${release}/`, tag, 'deploy/helm/emloc']),
        );
        cluster.must(run('tar', ['-xf', archive, '-C', directory]));
        for (const from of [join(directory, release, 'deploy/helm/emloc'), chart]) {
          const { code, stderr } = install(release, from, undefined);
          expect(code, `${tag}: ${stderr}`).toBe(0);
        }
      }
    },
  );
});
