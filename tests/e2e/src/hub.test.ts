/** Models by their names on a hub: a server of the test's own, spoken to over HTTP. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HubServer } from '@emloc/downloads/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, until, Workplace } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

const work = new Workplace();
const data = work.path('train.jsonl');
const hfHome = work.path('huggingface');
const read = (name: string): Buffer => readFileSync(join(tinyLlama, name));

let hub: HubServer;
let down: () => Promise<void>;

beforeAll(async () => {
  hub = await HubServer.start();
  hub.add('org/tiny', { 'config.json': read('config.json'), 'model.safetensors': read('model.safetensors') });
  hub.add('org/adapter', {
    'adapter_config.json': read('adapter-uncorrected/adapter_config.json'),
    'adapter_model.safetensors': read('adapter-uncorrected/adapter_model.safetensors'),
  });
  process.env['HF_ENDPOINT'] = hub.endpoint;
  process.env['HF_HOME'] = hfHome;
  for (const name of ['HF_TOKEN', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE']) delete process.env[name];
  writeTrainingData(data);
  down = await work.up();
});
afterAll(async () => {
  await down();
  await hub.stop();
  await work.dispose();
});

test('a pull that is interrupted goes on where it was, and prints the directory', async () => {
  hub.stall = true;
  const running = work.start('models', 'pull', 'org/tiny');
  const blobs = join(hfHome, 'hub/models--org--tiny/blobs');
  // The weights' own (a SHA-256), with bytes in it: that of config.json comes and goes.
  const isPartial = (name: string): boolean =>
    /^[0-9a-f]{64}\.emloc\.incomplete$/.test(name) && statSync(join(blobs, name)).size > 0;
  await until(running, () => existsSync(blobs) && readdirSync(blobs).some(isPartial));
  running.child.kill('SIGINT');
  const { code } = await running.done;
  hub.stall = false;
  expect(code).toBe(130);
  expect(readdirSync(blobs).some(isPartial)).toBe(true);
  const { stdout } = await work.succeed('models', 'pull', 'org/tiny');
  expect(readdirSync(stdout.trim()).sort()).toEqual(['config.json', 'model.safetensors']);
  const copy = await work.json('models', 'pull', 'org/tiny@main', '--output', work.path('copy'));
  expect(copy).toEqual({ model: 'org/tiny@main', path: work.path('copy') });
  expect(read('model.safetensors').equals(readFileSync(work.path('copy/model.safetensors')))).toBe(true);
});

test('names of the hub stand for directories: the same figures, and adapters name their base by it', async () => {
  const evaluate = (model: string, adapter: string) =>
    work.json('evaluate', '--model', model, '--adapter', adapter, '--data', data);
  const { loss } = await evaluate('org/tiny', 'org/adapter');
  expect(loss).toBe((await evaluate(tinyLlama, join(tinyLlama, 'adapter-uncorrected')))['loss']);
  await work.succeed(
    ...['train', '--model', 'org/tiny', '--data', data, '--max-steps', '2', '--output', work.path('adapter')],
  );
  const config = JSON.parse(readFileSync(work.path('adapter/adapter_config.json'), 'utf8'));
  expect(config).toMatchObject({ base_model_name_or_path: 'org/tiny' });
});

test('a name that is neither a directory nor on the hub: both are said, and what is near', async () => {
  const { code, stderr } = await work.run('evaluate', '--model', 'org/tinny', '--data', data);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: --model: there is no directory org\/tinny; .*did you mean org\/tiny\?/m);
});

test('a mesh elsewhere takes paths: a name with a revision is refused, one without told what it was taken for', async () => {
  const evaluate = (model: string, server: string) =>
    work.run('evaluate', '--model', model, '--data', data, '--server', server);
  const refused = await evaluate('org/tiny@main', '127.0.0.1:9');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--server takes a path')]);
  const { coordinator } = JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8')).addresses;
  const missed = await evaluate('org/tiny', coordinator);
  expect([missed.code, missed.stderr]).toEqual([1, expect.stringContaining('pull it there first')]);
});
