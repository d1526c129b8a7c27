/** compose.yaml: read as Docker reads it, then run: its services and PostgreSQL as containers, and one job through them. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { defaultPorts, serviceNames } from '@emloc/mesh/config';
import { containerOf, readCompose, untilHealthy, type ComposeFile } from '../containers/compose.ts';
import { Container } from '../containers/container.ts';
import { meshImage } from '../containers/mesh-image.ts';
import { lackingForContainers } from '../containers/needs.ts';
import { ContainerNetwork } from '../containers/network.ts';
import { startPostgres } from '../containers/postgres.ts';
import { lacking, root } from '../tools.ts';
import type { Image } from './assemble.ts';

const withoutCompose = lacking('docker-compose');
if (withoutCompose !== undefined) console.warn(`compose.yaml is not read here: ${withoutCompose}`);

describe.skipIf(withoutCompose !== undefined)('as it is written', () => {
  let file: ComposeFile;
  beforeAll(() => {
    file = readCompose(['compose.yaml']);
  });

  test('it has the mesh, its database, and where traces and metrics go', () => {
    const others = ['cli', 'postgres', 'collector', 'zipkin', 'prometheus', 'grafana'];
    expect(Object.keys(file.services).sort()).toEqual([...serviceNames, ...others].sort());
  });

  test('every service of the mesh is without rights and writes to nothing but its state and /tmp', () => {
    for (const name of serviceNames) {
      const service = file.services[name]!;
      expect(service, name).toMatchObject({
        user: '10001:10001',
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        command: [name],
      });
      const written = service.volumes?.filter(({ read_only }) => read_only !== true);
      expect(
        written?.map(({ target }) => target),
        name,
      ).toEqual(['/var/lib/emloc']);
      expect(service.environment).toMatchObject({
        [`EMLOC_${name.toUpperCase()}_ADDRESS`]: `${name}:${defaultPorts[name]}`,
      });
    }
  });

  test('ports are published on this machine only, the database is the coordinator’s alone, secrets are files', () => {
    for (const [name, { ports = [], networks = {}, environment = {} }] of Object.entries(file.services)) {
      for (const { host_ip } of ports) expect(host_ip, name).toBe('127.0.0.1');
      expect('database' in networks, name).toBe(['coordinator', 'postgres'].includes(name));
      for (const [key, value] of Object.entries(environment))
        if (/PASSWORD/.test(key)) expect(value, `${name} ${key}`).toMatch(/^\/run\/secrets\//);
    }
    for (const name of ['mesh', 'database', 'telemetry'])
      expect(file.networks[name]?.internal, name).toBe(true);
  });

  test('what waits for another waits for its health, and what it mounts of the repository is there', () => {
    expect(file.services['coordinator']?.depends_on?.['postgres']?.condition).toBe('service_healthy');
    const given = ['models', 'data'].map((name) => join(root, 'deploy/docker', name));
    for (const { volumes = [] } of Object.values(file.services))
      for (const { type, source } of volumes)
        if (type === 'bind' && !given.includes(source)) expect(existsSync(source), source).toBe(true);
  });

  test('the file for GPUs gives one to each service that computes, and CUDA’s image', () => {
    const cuda = readCompose(['compose.yaml', 'compose.cuda.yaml']);
    for (const name of serviceNames) {
      const service = cuda.services[name];
      const devices = service?.deploy?.resources?.reservations?.devices;
      expect(devices, name).toEqual(
        name === 'coordinator' ? undefined : [expect.objectContaining({ driver: 'nvidia' })],
      );
      expect(service?.image).toBe(name === 'coordinator' ? 'emloc/mesh:0.1.0' : 'emloc/mesh:0.1.0-cuda');
      expect(service?.read_only).toBe(true);
    }
  });

  test('every variable of .env.example is one that the file reads', () => {
    const example = readFileSync(join(root, 'deploy/docker/.env.example'), 'utf8');
    const names = [...example.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name!);
    const both = ['compose.yaml', 'compose.cuda.yaml']
      .map((name) => readFileSync(join(root, 'deploy/docker', name), 'utf8'))
      .join('\n');
    const read = [...both.matchAll(/\$\{([A-Z_]+):-/g)].map(([, name]) => name!);
    expect([...new Set(names)].sort()).toEqual([...new Set(read)].sort());
  });
});

const why = withoutCompose ?? lackingForContainers();
if (why !== undefined) console.warn(`compose.yaml is not run here: ${why}`);

describe.skipIf(why !== undefined)('as it runs', () => {
  const home = mkdtempSync(join(tmpdir(), 'emloc-compose-'));
  const containers = new Map<string, Container>();
  let network: ContainerNetwork;
  let image: Image;
  let file: ComposeFile;

  beforeAll(async () => {
    chmodSync(home, 0o755);
    for (const name of ['models', 'data', 'volumes', 'secrets']) mkdirSync(join(home, name));
    cpSync(join(root, 'tests/fixtures/tiny-llama'), join(home, 'models/tiny-llama'), { recursive: true });
    cpSync(join(root, 'tests/fixtures/tiny-llama/train.jsonl'), join(home, 'data/train.jsonl'));
    chmodSync(join(home, 'data'), 0o777);
    // With what has to be written otherwise in a URL.
    writeFileSync(join(home, 'secrets/database-password'), 'p@ss/word %25\n');
    file = readCompose(['compose.yaml'], {
      EMLOC_MODELS: join(home, 'models'),
      EMLOC_DATA: join(home, 'data'),
      DATABASE_PASSWORD_FILE: join(home, 'secrets/database-password'),
    });
    image = meshImage('cpu');
    network = await ContainerNetwork.create();
  });
  afterAll(async () => {
    for (const container of containers.values()) container.kill();
    await Promise.all([...containers.values()].map(({ ended }) => ended));
    network?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const optionsOf = (name: string) =>
    containerOf(file, name, { image, network, volumes: join(home, 'volumes') });
  const start = async (name: string): Promise<Container> => {
    const container = await Container.start(optionsOf(name));
    containers.set(name, container);
    return container;
  };
  const command = async (...args: readonly string[]): Promise<Container> => {
    const container = await Container.start({ ...optionsOf('cli'), names: ['cli'], args });
    await container.ended;
    return container;
  };
  const logs = (): string =>
    [...containers].map(([name, { log }]) => `== ${name}\n${log.slice(-3000)}`).join('\n');

  test('every service comes up in a root that it cannot write, and is healthy', async () => {
    onTestFailed(() => console.error(logs()));
    const { mounts = [], env = {} } = optionsOf('postgres');
    const secrets = mounts.filter(({ target }) => target.startsWith('/run/secrets'));
    const directory = join(home, 'volumes/database');
    containers.set(
      'postgres',
      await startPostgres({ network, names: ['postgres'], env, mounts: secrets, directory }),
    );
    const stages = serviceNames.filter((name) => name !== 'coordinator');
    await Promise.all(stages.map(start));
    const ready = [...(file.services['postgres']?.healthcheck?.test ?? []).slice(1)];
    await untilHealthy(containers.get('postgres')!, ready);
    for (const name of stages) await untilHealthy(containers.get(name)!, image.config.healthcheck);
    await untilHealthy(await start('coordinator'), image.config.healthcheck);

    const training = containers.get('training')!;
    expect((await training.exec(['id', '--user'])).output).toBe('10001\n');
    const written = await training.exec(['touch', '/app/here']);
    expect(written.code).not.toBe(0);
    expect(written.output).toContain('Read-only file system');
    for (const name of ['liveness', 'emloc.training.v1.TrainingService']) {
      expect((await training.exec([...image.config.healthcheck, name])).code, name).toBe(0);
    }
  });

  test('a job goes through them, while the training’s container is replaced by another', async () => {
    onTestFailed(() => console.error(logs()));
    const options = [
      '--max-steps',
      '200',
      '--refine-steps',
      '20',
      '--lora-r',
      '4',
      '--lora-alpha',
      '4',
      '--ratio',
      '0.5',
    ];
    const paths = ['--model', '/models/tiny-llama', '--data', '/data/train.jsonl', '--output', '/data/tuned'];
    const job = command(
      'finetune',
      '--server',
      'coordinator:50550',
      ...paths,
      ...options,
      '--id',
      'replaced',
      '--json',
    );
    const events = join(home, 'volumes/state/state/operations/replaced-train/events.jsonl');
    await expect
      .poll(() => existsSync(events) && readFileSync(events, 'utf8').includes('trainingStep'), {
        timeout: 300_000,
      })
      .toBe(true);
    expect(await containers.get('training')!.stop()).toEqual({ code: 0, signal: null });
    await untilHealthy(await start('training'), image.config.healthcheck);

    const { log, ended } = await job;
    expect(await ended, log).toEqual({ code: 0, signal: null });
    const tuned = readdirSync(join(home, 'data/tuned'), { recursive: true }).map(String);
    expect(tuned).toEqual(expect.arrayContaining(['adapter/adapter_model.safetensors', 'report.json']));
    const report = JSON.parse(readFileSync(join(home, 'data/tuned/report.json'), 'utf8')) as object;
    expect(report).toMatchObject({ job: { id: 'replaced' } });
    // It did not begin again: the second container went on after the first one's last step.
    const steps = [...readFileSync(events, 'utf8').matchAll(/"trainingStep":\{"step":(\d+)/g)].map(([, n]) =>
      Number(n),
    );
    expect(steps).toEqual(steps.map((_, i) => i + 1));
    expect(readFileSync(events, 'utf8')).toContain('"attempt":2');
  });

  test('each ends by SIGTERM, with exit code 0', async () => {
    for (const name of serviceNames) {
      expect(await containers.get(name)!.stop(), name).toEqual({ code: 0, signal: null });
    }
  });
});
