/** The image: what the Dockerfile's steps make, without Docker. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultPorts, serviceNames } from '@emloc/mesh/config';
import { Container, type ContainerOptions } from '../containers/container.ts';
import { dockerfile, meshImage } from '../containers/mesh-image.ts';
import { lackingForContainers } from '../containers/needs.ts';
import { ContainerNetwork } from '../containers/network.ts';
import { lacking, root, run, tools } from '../tools.ts';
import type { Image } from './assemble.ts';
import { readDockerfile } from './dockerfile.ts';

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

test.skipIf(lacking('hadolint') !== undefined)('hadolint has nothing to say about the Dockerfile', () => {
  const [hadolint = ''] = tools('hadolint');
  const config = join(root, 'deploy/docker/.hadolint.yaml');
  expect(run(hadolint, ['--config', config, dockerfile])).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('the packages that TensorFlow comes from', () => {
  const requirements = (name: string): Map<string, string> =>
    new Map(
      [
        ...text(`deploy/docker/tensorflow/${name}.txt`).matchAll(
          /^([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$/gm,
        ),
      ].map(([, name = '', version = '']) => [name, version]),
    );
  const platform = text('libs/engine/src/runtime/platform.ts');
  const version = /TENSORFLOW_VERSION = '([\d.]+)'/.exec(platform)?.[1];

  test('have the version that the engine is tested with', () => {
    expect([...requirements('cpu')]).toEqual([['tensorflow-cpu', version]]);
    expect(requirements('cuda').get('tensorflow')).toBe(version);
  });

  test('hold every library of CUDA that the engine loads', () => {
    const locate = text('libs/engine/src/runtime/locate.ts');
    const list = /CUDA_LIBRARIES = \[(.*?)\] as const/s.exec(locate)?.[1] ?? '';
    const parts = new Set([...list.matchAll(/\['(\w+)', /g)].map(([, part = '']) => part));
    expect(parts.size).toBeGreaterThan(5);
    const packages = [...parts].map((part) => `nvidia-${part.replaceAll('_', '-')}-cu12`).sort();
    const named = [...requirements('cuda').keys()].filter((name) => name !== 'tensorflow');
    expect(named.sort()).toEqual(packages);
  });
});

test('each stage is built from another or from an image by its short name, and ends without rights', () => {
  const stages = readDockerfile(dockerfile);
  for (const { from, name } of stages) {
    expect(from, name).toMatch(/^[a-z-]+(:[a-z0-9.-]+)?$/);
  }
  expect(stages.at(-1)?.name).toBe('cpu');
});

const why = lackingForContainers();
if (why !== undefined) console.warn(`the image is not assembled here: ${why}`);

describe.skipIf(why !== undefined)('assembled', () => {
  let image: Image;
  let network: ContainerNetwork;
  beforeAll(async () => {
    image = meshImage('cpu');
    network = await ContainerNetwork.create();
  });
  afterAll(() => network?.close());

  const ran = async (options: Partial<ContainerOptions>): Promise<{ code: number | null; log: string }> => {
    const container = await Container.start({ image, network, names: ['tried'], ...options });
    const { code } = await container.ended;
    return { code, log: container.log };
  };
  const files = (...args: readonly string[]): string[] =>
    execFileSync('find', [image.root, '-xdev', ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 })
      .split('\n')
      .filter((path) => path !== '')
      .map((path) => path.slice(image.root.length));

  test('its configuration: a user by number, a health check, labels, the state as a volume', () => {
    expect(image.config).toMatchObject({
      user: '10001:10001',
      healthcheck: ['node', '/app/libs/mesh/bin/health.mjs'],
      volumes: ['/var/lib/emloc'],
      labels: {
        'org.opencontainers.image.title': 'EMLoC mesh',
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    });
    expect(image.config.ports).toEqual(Object.values(defaultPorts).map(String));
  });

  test('nothing of it but the state belongs to the user, or can be written by everybody', () => {
    expect(files('-user', '10001')).toEqual(['/var/lib/emloc']);
    const open = files('-perm', '-0002', '!', '-type', 'l');
    expect(open.filter((path) => !/^\/(dev\/.*|tmp|var\/tmp|run\/lock)$/.test(path))).toEqual([]);
  });

  test('what only developers need is not in it', () => {
    const app = files('-path', '*/app/*', '-not', '-path', '*/node_modules/*').filter((path) =>
      path.startsWith('/app/'),
    );
    expect(app.filter((path) => /\.test\.ts$|^\/app\/(tests|tools|docs|\.git)(\/|$)/.test(path))).toEqual([]);
    for (const name of ['vitest', 'typescript', 'eslint', 'nx']) {
      expect(app.concat(files('-maxdepth', '3')), name).not.toContain(`/app/node_modules/${name}`);
    }
    // No compiler, and no package manager to fetch one with.
    const commands = files('-path', '*/bin/*').filter((path) =>
      /\/(npm|npx|pip3?|python3?|gcc|curl|wget)$/.test(path),
    );
    expect(commands).toEqual([]);
  });

  test('its programs are compiled, so that nothing has to be written where nothing can be', () => {
    const compiled = files('-path', '*/.cache/emloc-programs/*', '-name', '*main.mjs');
    const programs = [
      ...serviceNames.map((name) => `services/${name}/src/main.mjs`),
      'services/coordinator/src/migrate-main.mjs',
      'services/coordinator/src/check-main.mjs',
      'clients/cli/src/main.mjs',
    ];
    for (const program of programs) {
      expect(
        compiled.some((path) => path.endsWith(`/${program}`)),
        program,
      ).toBe(true);
    }
  });

  test('without arguments it says what it can be; what it cannot be is a usage error', async () => {
    const usage = /usage: coordinator \| calibration/;
    expect(await ran({})).toEqual({ code: 0, log: expect.stringMatching(usage) });
    expect(await ran({ args: [] })).toEqual({ code: 2, log: expect.stringMatching(usage) });
    expect(await ran({ args: ['trainer'] })).toEqual({ code: 2, log: expect.stringMatching(usage) });
    expect((await ran({ args: ['emloc', '--version'] })).log).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('a service without its state volume says which directory it cannot write, and as whom', async () => {
    const { code, log } = await ran({ args: ['training'] });
    expect(code).toBe(1);
    expect(log).toMatch(
      /EMLOC_STATE_DIR: \/var\/lib\/emloc\/state cannot be written by user 10001: E(ROFS|NOENT)/,
    );
  });

  test('the health check fails where nothing was started', async () => {
    const { code, log } = await ran({ command: image.config.healthcheck });
    expect(code).toBe(1);
    expect(log).toContain('not started yet');
  });
});
