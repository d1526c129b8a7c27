/** docs/grpcurl.md: every rpc of every service has a line there, and every line does what the page says, as it stands. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot, until, Workplace } from './emloc.ts';
import { grpcurl } from './grpcurl.ts';
import { writeTextModel } from './text-model.ts';

const page = readFileSync(join(repositoryRoot, 'docs/grpcurl.md'), 'utf8');

/** The commands of the page's shell blocks; one goes on where a quote is open or a line ends with a backslash. */
const commands = [...page.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = '']) => {
  const found: string[] = [];
  let command = '';
  for (const line of block.split('\n')) {
    command += `${line}\n`;
    const isOpen = (command.split("'").length - 1) % 2 === 1 || line.endsWith('\\');
    if (isOpen) continue;
    if (command.startsWith('grpcurl ')) found.push(command.trim());
    command = '';
  }
  return found;
});

const rpcOf = (command: string): string => command.slice(command.lastIndexOf(' ') + 1);

/** `package.Service/Rpc` of all contracts, and of the standard ones that every server answers. */
function rpcs(): string[] {
  const root = join(repositoryRoot, 'proto/emloc');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.proto'),
  );
  const own = files.flatMap((name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const packageName = /^package (.+);$/m.exec(text)?.[1];
    return [...text.matchAll(/^service (\w+) \{(.*?)^\}/gms)].flatMap(([, service, body = '']) =>
      [...body.matchAll(/^ {2}rpc (\w+)\(/gm)].map(([, rpc]) => `${packageName}.${service}/${rpc}`),
    );
  });
  return [...own, 'grpc.health.v1.Health/Check', 'grpc.health.v1.Health/Watch'].sort();
}

test('every rpc of every service has a line on the page, and no line calls what there is not', () => {
  const called = commands.map(rpcOf).filter((name) => name.includes('/'));
  expect(rpcs().length).toBeGreaterThan(30);
  expect([...new Set(called)].sort()).toEqual(rpcs());
});

const stages = ['CALIBRATION', 'COMPRESSION', 'TRAINING', 'CORRECTION', 'INFERENCE', 'COORDINATOR'];

describe.skipIf(grpcurl.path === undefined)(`the lines of the page${grpcurl.skipped}`, () => {
  const work = new Workplace();
  const variables: Record<string, string> = {};
  let down: () => Promise<void> = async () => {};

  beforeAll(async () => {
    const model = writeTextModel(work.path('model'));
    const data = work.path('train.jsonl');
    const rows = Array.from({ length: 40 }, (_, i) => ({
      prompt: `is ${i} even? `,
      completion: i % 2 ? 'no' : 'yes',
    }));
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join('\n'));
    const up = work.start('up', '--json');
    await until(up, () => up.stdout().trimEnd().endsWith('}'));
    down = async () => {
      up.child.kill('SIGINT');
      await up.done;
    };
    const { addresses } = JSON.parse(up.stdout()) as { addresses: Record<string, string> };
    for (const [name, address] of Object.entries(addresses)) variables[name.toUpperCase()] = address;
    const [emulator, adapter] = [work.path('emulator'), work.path('adapter')];
    await work.succeed(
      'compress',
      '--model',
      model,
      '--method',
      'svd',
      '--output',
      emulator,
      '--ratio',
      '0.5',
    );
    await work.succeed(
      'train',
      '--emulator',
      emulator,
      '--data',
      data,
      '--output',
      adapter,
      '--max-steps',
      '2',
    );
    Object.assign(variables, { MODEL: model, DATA: data, EMULATOR: emulator, ADAPTER: adapter });
  });
  afterAll(async () => {
    await down();
    await work.dispose();
  });

  /** Runs a command as a shell does; `see` is told all that was printed so far, whenever there is more. */
  const run = (
    command: string,
    see: (text: string, child: ChildProcess) => void = () => {},
  ): Promise<{ code: number | null; text: string }> =>
    new Promise((resolve) => {
      const path = [dirname(grpcurl.path ?? ''), process.env['PATH']].join(delimiter);
      const child = spawn('bash', ['-c', `exec ${command}`], {
        env: { ...process.env, ...variables, PATH: path },
      });
      let text = '';
      const add = (chunk: Buffer): void => {
        text += chunk.toString();
        see(text, child);
      };
      child.stdout.on('data', add);
      child.stderr.on('data', add);
      child.on('close', (code) => resolve({ code, text }));
    });
  const isServing = (text: string): boolean => text.includes('"status": "SERVING"');

  const titled = commands.map((command, i) => [`${i + 1}: ${rpcOf(command)}`, command] as const);
  test.each(titled)('%s', async (_, command) => {
    if (command.includes('Health/Watch')) {
      const { text } = await run(command, (seen, child) => isServing(seen) && child.kill());
      expect(isServing(text), text).toBe(true);
    } else if (command.includes('wrong-1')) {
      const { code, text } = await run(command);
      expect(code).not.toBe(0);
      for (const word of ['InvalidArgument', 'BAD_FIELD', 'options.ratio', 'give a number in (0, 1]'])
        expect(text).toContain(word);
    } else {
      const { code, text } = await run(command);
      expect(code, text).toBe(0);
      expect(text).not.toContain('"OPERATION_STATE_FAILED"');
      expect(text).not.toContain('"JOB_STATE_FAILED"');
      if (/(?<!long)-1"\}.*WatchOperation/.test(command))
        expect(text).toContain('"OPERATION_STATE_SUCCEEDED"');
      if (command.endsWith('GetFineTuneJob')) expect(text).toContain('"state": "JOB_STATE_SUCCEEDED"');
    }
  });

  test('describe prints the comments, bytes come as they went, tensors by their names', async () => {
    const found = async (rest: string): Promise<string> => (await run(`grpcurl -plaintext ${rest}`)).text;
    const described = await found('$TRAINING describe emloc.training.v1.LoraConfig');
    expect(described).toContain('// Rank of the factors. Default 8; 1 or more.');
    const download = commands.find((command) => command.endsWith('/DownloadArtifact')) ?? '';
    expect((await run(download)).text).toContain('"aGVsbG8K"');
    const factors = commands.find((command) => command.endsWith('/Compress')) ?? '';
    const { text } = await run(factors);
    for (const tensor of ['"u"', '"v"', '"sigma"']) expect(text).toContain(tensor);
  });

  test('every service answers reflection and health by each of its names', async () => {
    const served: string[] = [];
    for (const stage of stages) {
      const names = (await run(`grpcurl -plaintext $${stage} list`)).text.trim().split('\n');
      expect(names).toContain('grpc.health.v1.Health');
      for (const name of ['', ...names.filter((each) => each.startsWith('emloc.'))]) {
        const { text } = await run(
          `grpcurl -plaintext -d '{"service": "${name}"}' $${stage} grpc.health.v1.Health/Check`,
        );
        expect(text, `${stage} ${name}`).toContain('"SERVING"');
        served.push(name);
      }
    }
    const services = new Set(rpcs().map((rpc) => rpc.slice(0, rpc.indexOf('/'))));
    services.delete('grpc.health.v1.Health');
    expect(new Set(served)).toEqual(new Set(['', ...services]));
  });

  test('whoever watches the health of a service hears that it drains', async () => {
    const watches = stages.map((stage) => {
      let begin = (): void => {};
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const command = `grpcurl -plaintext $${stage} grpc.health.v1.Health/Watch`;
      return { begun, ended: run(command, (text) => isServing(text) && begin()) };
    });
    await Promise.all(watches.map(({ begun }) => begun));
    await down();
    for (const { text } of await Promise.all(watches.map(({ ended }) => ended))) {
      const told = [...text.matchAll(/"status": "(\w+)"/g)].map(([, status]) => status);
      expect(told, text).toEqual(['SERVING', 'NOT_SERVING']);
    }
  });
});
