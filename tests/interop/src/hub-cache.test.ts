/** One cache of the hub for both: what Python's huggingface_hub fetched is used here without a request, and the other way round. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HubServer } from '@emloc/downloads/testing';
import { tinyLlama, Workplace } from '@emloc/e2e';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { python, withoutPython } from './python.ts';

const name = python === undefined ? `huggingface_hub (skipped: ${withoutPython})` : 'huggingface_hub';
const hasHub = python !== undefined && spawnSync(python, ['-c', 'import huggingface_hub']).status === 0;

describe.skipIf(!hasHub)(name, () => {
  const work = new Workplace();
  let hub: HubServer;
  let counter = 0;

  beforeEach(async () => {
    hub = await HubServer.start();
    const read = (file: string): Buffer => readFileSync(join(tinyLlama, file));
    hub.add('org/tiny', {
      'config.json': read('config.json'),
      'tokenizer.json': '{}',
      'model.safetensors': read('model.safetensors'),
    });
    process.env['HF_ENDPOINT'] = hub.endpoint;
    process.env['HF_HOME'] = work.path(`hf-${(counter += 1)}`);
    for (const variable of ['HF_TOKEN', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE']) delete process.env[variable];
  });
  afterEach(() => hub.stop());
  afterAll(() => work.dispose());

  test('a snapshot that Python fetched is used without a request', async () => {
    const theirs = await inPython('print(huggingface_hub.snapshot_download("org/tiny"))');
    hub.seen.length = 0;
    process.env['HF_HUB_OFFLINE'] = '1';
    expect(await work.json('models', 'pull', 'org/tiny')).toEqual({ model: 'org/tiny', path: theirs });
    expect(hub.seen).toEqual([]);
  });

  test('what Python fetched in part is fetched for the rest only', async () => {
    await inPython('huggingface_hub.hf_hub_download("org/tiny", "model.safetensors")');
    hub.seen.length = 0;
    await work.succeed('models', 'pull', 'org/tiny');
    expect(hub.requests(/resolve/).map(({ url }) => url.split('/').at(-1))).toEqual([
      'config.json',
      'tokenizer.json',
    ]);
  });

  test('a snapshot that emloc fetched is loaded by Python without a request', async () => {
    const { path } = await work.json('models', 'pull', 'org/tiny');
    hub.seen.length = 0;
    process.env['HF_HUB_OFFLINE'] = '1';
    const script = [
      'import transformers',
      'transformers.AutoModelForCausalLM.from_pretrained("org/tiny")',
      'print(huggingface_hub.snapshot_download("org/tiny"))',
    ];
    expect(await inPython(script.join('\n'))).toBe(path);
    const scanned = 'info = huggingface_hub.scan_cache_dir(); print(len(info.repos), len(info.warnings))';
    expect(await inPython(scanned)).toBe('1 0');
    expect(hub.seen).toEqual([]);
  });
});

/** The last line that it prints. The hub answers from this process, so it must not be waited for without turning. */
async function inPython(script: string): Promise<string> {
  const child = spawn(python ?? '', ['-c', `import huggingface_hub\n${script}`], { env: process.env });
  let said = '';
  let complaint = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (complaint += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(complaint);
  return said.trim().split('\n').at(-1) ?? '';
}
