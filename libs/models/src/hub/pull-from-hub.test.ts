import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HubServer, type HubRepository } from '@emloc/downloads/testing';
import { parseHubReference } from '@emloc/downloads';
import type { EmlocError } from '@emloc/errors';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openModel } from '../directory/open-model.ts';
import { tinyLlama } from '../testing/fixture.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { pullFromHub, type PullFromHubOptions } from './pull-from-hub.ts';

const read = (name: string): Buffer => readFileSync(join(tinyLlama, name));

let hub: HubServer;
let repository: HubRepository;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  hub = await HubServer.start();
  repository = hub.add('org/tiny', {
    'config.json': read('config.json'),
    'tokenizer.json': '{}',
    'model.safetensors': read('model.safetensors'),
    'pytorch_model.bin': 'pickled',
    'tiny.gguf': 'GGUF',
    'README.md': '# tiny',
  });
  env = { HF_ENDPOINT: hub.endpoint, HF_HOME: temporaryDirectory() };
});
afterEach(() => hub.stop());

const pull = (typed = 'org/tiny', options: PullFromHubOptions = {}): Promise<string> =>
  pullFromHub(parseHubReference(typed)!, { env, ...options });

test('what comes can be opened, and is what is needed, not the other formats beside it', async () => {
  const directory = await pull();
  expect(openModel(directory).config.numLayers).toBeGreaterThan(0);
  expect(readdirSync(directory).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
});

test('what comes is also what transformers needs, and what a copy has to carry along', async () => {
  const small = {
    'vocab.json': '{}',
    'merges.txt': '#',
    'tokenizer.model': 'pieces',
    'tokenizer_config.json': '{}',
    'chat_template.jinja': '{{ messages }}',
    'additional_chat_templates/tool_use.jinja': '{{ tools }}',
    'LICENSE.txt': 'free',
  };
  hub.commit(repository, { ...small, 'onnx/config.json': '{}', 'trainer_state.json': '{}' });
  const directory = await pull();
  const names = [...Object.keys(small), 'config.json', 'model.safetensors', 'tokenizer.json'];
  const found = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  expect(found.sort()).toEqual([...names, 'additional_chat_templates'].sort());
  expect(readFileSync(join(directory, 'additional_chat_templates/tool_use.jinja'), 'utf8')).toBe(
    '{{ tools }}',
  );
});

test('of a sharded model, the shards that the index names', async () => {
  const shard = 'model-00001-of-00001.safetensors';
  const names = [...openModel(tinyLlama).tensors.keys()];
  hub.add('org/sharded', {
    'config.json': read('config.json'),
    'model.safetensors.index.json': JSON.stringify({
      weight_map: Object.fromEntries(names.map((name) => [name, shard])),
    }),
    [shard]: read('model.safetensors'),
    'model-00002-of-00002.safetensors': 'left over',
  });
  const directory = await pull('org/sharded');
  expect(openModel(directory).weightFiles).toHaveLength(1);
  expect(readdirSync(directory).sort()).toEqual(['config.json', shard, 'model.safetensors.index.json']);
});

test('a revision is another snapshot', async () => {
  hub.commit(repository, { 'generation_config.json': '{}' }, 'v2');
  expect(await pull('org/tiny@v2')).not.toBe(await pull());
});

test('with preferCache the hub is not asked for what is there; without, a new commit is seen', async () => {
  const first = await pull();
  hub.seen.length = 0;
  hub.commit(repository, { 'generation_config.json': '{}' });
  expect(await pull('org/tiny', { preferCache: true })).toBe(first);
  expect(hub.seen).toEqual([]);
  expect(await pull()).not.toBe(first);
});

test('offline, what the cache holds is used, and what it does not hold is an error that says so', async () => {
  const first = await pull();
  env['HF_HUB_OFFLINE'] = '1';
  hub.seen.length = 0;
  expect(await pull()).toBe(first);
  await expect(pull('org/tinny')).rejects.toMatchObject({
    reason: 'HUB_OFFLINE',
    field: 'HF_HUB_OFFLINE',
    message: expect.stringContaining('it holds org/tiny'),
    mend: expect.stringContaining('unset HF_HUB_OFFLINE'),
  });
  rmSync(join(first, 'model.safetensors'));
  await expect(pull()).rejects.toMatchObject({ reason: 'HUB_OFFLINE' });
  expect(hub.seen).toEqual([]);
});

test('a hub that is not reached: what the cache holds is used, and that is told', async () => {
  const first = await pull();
  env['HF_ENDPOINT'] = 'http://127.0.0.1:9';
  const told: EmlocError[] = [];
  expect(await pull('org/tiny', { onUnreachable: (error) => void told.push(error) })).toBe(first);
  expect(told.map(({ reason }) => reason)).toEqual(['HUB_UNREACHABLE']);
}, 120_000);

test.each([
  [
    'an unknown architecture',
    { 'config.json': '{"model_type": "bert"}' },
    'UNSUPPORTED_ARCHITECTURE',
    'llama',
  ],
  [
    'quantized weights',
    { 'config.json': '{"model_type": "llama", "quantization_config": {"load_in_4bit": true}}' },
    'QUANTIZED_MODEL',
    'quantized from',
  ],
  ['an adapter', { 'adapter_config.json': '{}' }, 'NOT_A_MODEL', 'base model'],
  ['no model', { 'README.md': '' }, 'NOT_A_MODEL', 'README.md'],
  [
    'GGUF only',
    { 'config.json': '{"model_type": "llama"}', 'x.gguf': '' },
    'NO_WEIGHTS',
    'emloc models import',
  ],
  ['no safetensors', { 'config.json': '{"model_type": "llama"}', 'x.bin': '' }, 'NO_WEIGHTS', 'safetensors'],
])('%s: refused before weights are fetched', async (_, files, reason, mend) => {
  hub.add('org/other', files);
  await expect(pull('org/other')).rejects.toMatchObject({ reason, mend: expect.stringContaining(mend) });
  expect(hub.requests(/content/)).toEqual([]);
});

test('an adapter is its two files', async () => {
  const adapter = (name: string): Buffer => read(`adapter-uncorrected/${name}`);
  hub.add('org/adapter', {
    'adapter_config.json': adapter('adapter_config.json'),
    'adapter_model.safetensors': adapter('adapter_model.safetensors'),
    'optimizer.pt': 'state',
  });
  const directory = await pull('org/adapter', { kind: 'adapter' });
  expect(readdirSync(directory).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  expect(existsSync(join(directory, 'adapter_config.json'))).toBe(true);
  await expect(pull('org/tiny', { kind: 'adapter' })).rejects.toMatchObject({ reason: 'NOT_A_MODEL' });
});
