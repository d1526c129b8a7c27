/**
 * What the chart says is what runs: the commands, environment, mounts and probes that `helm template` renders, run as
 * containers under the names that the chart gives them, with a real PostgreSQL; and one job through that mesh.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { Container } from '../containers/container.ts';
import { meshImage } from '../containers/mesh-image.ts';
import { lackingForContainers } from '../containers/needs.ts';
import { ContainerNetwork } from '../containers/network.ts';
import { startPostgres } from '../containers/postgres.ts';
import type { Image } from '../docker/assemble.ts';
import { lacking, root, run, tools } from '../tools.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- manifests as they are; the API server checks their shape */
type Manifest = any;
/* eslint-enable */

const namespace = 'tuning';
const databaseUrl = 'postgresql://emloc:secret@postgres:5432/emloc';

const why = lacking('helm') ?? lackingForContainers();
if (why !== undefined) console.warn(`the rendered mesh is not run here: ${why}`);

describe.skipIf(why !== undefined)('the mesh that the chart renders', () => {
  const home = mkdtempSync(join(tmpdir(), 'emloc-rendered-'));
  const running = new Map<string, Container>();
  let network: ContainerNetwork;
  let image: Image;
  let manifests: Manifest[];

  beforeAll(async () => {
    chmodSync(home, 0o755);
    const [helm = ''] = tools('helm');
    const args = ['template', 'emloc', 'deploy/helm/emloc', '--namespace', namespace];
    const { code, stdout, stderr } = run(helm, [...args, '--set', 'database.existingSecret=database']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    manifests = parseAllDocuments(stdout)
      .map((document) => document.toJSON() as Manifest)
      .filter(Boolean);
    image = meshImage('cpu');
    network = await ContainerNetwork.create();
  });
  afterAll(async () => {
    for (const container of running.values()) container.kill();
    await Promise.all([...running.values()].map(({ ended }) => ended));
    network?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const named = (kind: string, name: string): Manifest =>
    manifests.find((each) => each.kind === kind && each.metadata.name === name);

  /** A claim or an empty directory, owned by the pod's group as its fsGroup wants it. */
  const volume = (spec: Manifest, pod: string, name: string): string => {
    const { persistentVolumeClaim: claim } = spec.volumes.find((each: Manifest) => each.name === name);
    const path = claim === undefined ? join(home, pod, name) : join(home, 'claims', claim.claimName);
    mkdirSync(path, { recursive: true });
    const { runAsUser, fsGroup } = spec.securityContext;
    execFileSync('chown', [`${runAsUser}:${fsGroup}`, path]);
    return path;
  };

  /** As the kubelet works them out: references, the pod's own fields, secrets. */
  const environment = (env: readonly Manifest[], pod: string): Record<string, string> => {
    const values: Record<string, string> = {};
    for (const { name, value, valueFrom } of env) {
      const text =
        valueFrom?.fieldRef !== undefined
          ? pod
          : valueFrom?.secretKeyRef !== undefined
            ? databaseUrl
            : String(value);
      values[name] = text.replaceAll(/\$\((\w+)\)/g, (_, other: string) => values[other] ?? '');
    }
    return values;
  };

  /** Starts the one container of a pod; Services that select the pod lead to it. */
  const start = async (pod: string, { metadata, spec }: Manifest): Promise<Container> => {
    const [{ args, command, env, volumeMounts, securityContext }] = spec.containers;
    expect(securityContext.readOnlyRootFilesystem, pod).toBe(true);
    const selects = (service: Manifest): boolean =>
      Object.entries(service.spec.selector).every(([key, value]) => metadata.labels[key] === value);
    const names = manifests
      .filter((each) => each.kind === 'Service' && selects(each))
      .map((service) => `${service.metadata.name}.${namespace}.svc.cluster.local`);
    const { runAsUser, runAsGroup } = spec.securityContext;
    const container = await Container.start({
      image,
      network,
      names: [pod, ...names],
      command,
      args,
      env: environment(env, pod),
      user: `${runAsUser}:${runAsGroup}`,
      mounts: volumeMounts.map(({ name, mountPath, readOnly }: Manifest) => ({
        source: volume(spec, pod, name),
        target: mountPath,
        readOnly,
      })),
      tmpfs: [],
    });
    running.set(pod, container);
    return container;
  };

  /** A probe of kind grpc, asked from beside the container by what the image has for it. */
  const passes = async (container: Container, { grpc }: Manifest, withinMs = 240_000): Promise<void> => {
    const ready = JSON.stringify({ address: `127.0.0.1:${grpc.port}` });
    const script = `echo '${ready}' > /tmp/probe.json && EMLOC_READY_FILE=/tmp/probe.json exec "$@"`;
    const until = Date.now() + withinMs;
    for (;;) {
      const probe = ['sh', '-c', script, 'sh', ...image.config.healthcheck, grpc.service];
      const { code, output } = await container.exec(probe);
      if (code === 0) return;
      if (!container.running || Date.now() > until)
        throw new Error(`${output}\n${container.log.slice(-3000)}`);
      await wait(500);
    }
  };

  const workloads = (): Manifest[] =>
    manifests.filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind));
  const logs = (): string =>
    [...running].map(([name, { log }]) => `== ${name}\n${log.slice(-2000)}`).join('\n');

  test('its migration makes the tables, and every pod passes its probes', async () => {
    onTestFailed(() => console.error(logs()));
    writeFileSync(join(home, 'password'), 'secret\n');
    const env = {
      POSTGRES_USER: 'emloc',
      POSTGRES_DB: 'emloc',
      POSTGRES_PASSWORD_FILE: '/run/secrets/password',
    };
    const mounts = [{ source: join(home, 'password'), target: '/run/secrets/password', readOnly: true }];
    const postgres = await startPostgres({
      network,
      names: ['postgres'],
      env,
      mounts,
      directory: join(home, 'db'),
    });
    running.set('postgres', postgres);
    await expect
      .poll(async () => (await postgres.exec(['pg_isready', '--username=emloc'])).code, { timeout: 120_000 })
      .toBe(0);
    const migrate = await start('emloc-migrate', named('Job', 'emloc-migrate').spec.template);
    expect(await migrate.ended, migrate.log).toEqual({ code: 0, signal: null });

    expect(workloads()).toHaveLength(6);
    const pods = workloads().map(({ metadata, spec }) => ({
      pod: `${metadata.name}-0`,
      template: spec.template,
    }));
    await Promise.all(pods.map(({ pod, template }) => start(pod, template)));
    for (const { pod, template } of pods) {
      const [{ startupProbe, readinessProbe, livenessProbe }] = template.spec.containers;
      for (const probe of [startupProbe, readinessProbe, livenessProbe])
        await passes(running.get(pod)!, probe);
    }
  });

  test('its test pod reaches every service by its name', async () => {
    onTestFailed(() => console.error(logs()));
    const check = await start('emloc-test', named('Pod', 'emloc-test'));
    expect(await check.ended, check.log).toEqual({ code: 0, signal: null });
  });

  test('a job goes through it by the command line', async () => {
    onTestFailed(() => console.error(logs()));
    const models = join(
      home,
      'claims',
      named('PersistentVolumeClaim', 'emloc-storage').metadata.name,
      'models',
    );
    cpSync(join(root, 'tests/fixtures/tiny-llama'), join(models, 'tiny-llama'), { recursive: true });
    cpSync(join(root, 'tests/fixtures/tiny-llama/train.jsonl'), join(home, 'client/train.jsonl'));
    chmodSync(join(home, 'client'), 0o777);
    const { port } = named('Service', 'emloc-coordinator').spec.ports[0];
    const server = `emloc-coordinator.${namespace}.svc.cluster.local:${port}`;
    const paths = [
      '--model',
      '/var/lib/emloc/models/tiny-llama',
      '--data',
      '/data/train.jsonl',
      '--output',
      '/data/tuned',
    ];
    const options = ['--max-steps', '8', '--lora-r', '4', '--lora-alpha', '4', '--ratio', '0.5'];
    const client = await Container.start({
      image,
      network,
      names: ['client'],
      args: ['emloc', 'finetune', '--server', server, ...paths, ...options],
      env: { EMLOC_HOME: '/tmp/home', HOME: '/tmp' },
      mounts: [{ source: join(home, 'client'), target: '/data' }],
    });
    expect(await client.ended, client.log).toEqual({ code: 0, signal: null });
    const made = readdirSync(join(home, 'client/tuned'));
    expect(made).toEqual(expect.arrayContaining(['adapter', 'report.json']));
  });

  test('each pod ends within the grace that the chart gives it', async () => {
    for (const { metadata, spec } of workloads()) {
      const graceMs = spec.template.spec.terminationGracePeriodSeconds * 1000;
      expect(await running.get(`${metadata.name}-0`)!.stop(graceMs), metadata.name).toEqual({
        code: 0,
        signal: null,
      });
    }
  });
});
