import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { directoryDigest } from '@emloc/artifacts';
import { HubServer } from '@emloc/downloads/testing';
import { openAdapter } from '@emloc/emloc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../run.ts';
import { adapterCard } from './model-card.ts';

const fixture = fileURLToPath(
  new URL('../../../../tests/fixtures/tiny-llama/adapter-uncorrected', import.meta.url),
);

let hub: HubServer;
let dir: string;
let adapter: string;

beforeEach(async () => {
  hub = await HubServer.start();
  hub.token = 'secret';
  hub.writable = ['me'];
  dir = mkdtempSync(join(tmpdir(), 'emloc-push-'));
  adapter = join(dir, 'adapter');
  cpSync(fixture, adapter, { recursive: true });
});
afterEach(async () => {
  await hub.stop();
  rmSync(dir, { recursive: true });
});

async function push(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const environment = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: 'secret', HF_HOME: dir };
  const code = await run(['adapters', 'push', ...args], { streams: { stdout, stderr }, environment });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const pushed = (path: string): Buffer => hub.repositories.get('me/a')!.files('main')!.get(path)!.content;

/** As `emloc finetune` writes it, shortened. */
const report = (digest: string): object => ({
  schemaVersion: 1,
  settings: {
    dataset: { source: { path: '/home/me/tickets.jsonl' } },
    training: { learningRate: 1e-3, adamEpsilon: 1e-8, lrSchedulerType: 'LR_SCHEDULER_TYPE_COSINE' },
  },
  resolved: { compression: { ratio: 0.5 }, emulatorSteps: 30, exactSteps: 10 },
  data: { rows: 90, tokens: 4000, heldOutRows: 10 },
  digests: { adapter: digest },
  stages: [
    { name: 'calibrate', note: 'streamed into compress', peakResidentBytes: 400_000_000 },
    { name: 'train', seconds: 75, peakResidentBytes: 512_000_000 },
  ],
  evaluation: { loss: 0.25, perplexity: 1.284, rows: 10, exactMatch: 0.7, choiceAccuracy: null },
});

test('weights, a configuration that names the base as the hub knows it, and a card of what is known', async () => {
  const { digest } = await directoryDigest(adapter);
  writeFileSync(join(dir, 'report.json'), JSON.stringify(report(digest)));
  const { code, stderr, stdout } = await push(
    adapter,
    'me/a',
    '--base-model',
    'org/tiny',
    '--license',
    'mit',
    '--json',
  );
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  expect(JSON.parse(stdout)).toMatchObject({ repository: 'me/a', base_model: 'org/tiny', created: true });
  const weights = 'adapter_model.safetensors';
  expect(pushed(weights).equals(readFileSync(join(fixture, weights)))).toBe(true);
  expect(JSON.parse(pushed('adapter_config.json').toString())).toEqual({
    ...JSON.parse(readFileSync(join(fixture, 'adapter_config.json'), 'utf8')),
    base_model_name_or_path: 'org/tiny',
  });
  const card = pushed('README.md').toString();
  expect(card).toMatch(/^---\nbase_model: org\/tiny\nlibrary_name: peft\n[^]*license: "mit"[^]*\n---\n/);
  for (const words of [
    '`tickets.jsonl`: 90 rows of 4000 tokens trained on, 10 rows held out.',
    '| r | 4 |',
    '| ratio of the emulator | 0.5 |',
    '| adam_epsilon | 1e-8 |\n| learning_rate | 0.001 |\n| lr_scheduler_type | cosine |',
    '| loss | 0.25 |',
    '| exact match | 0.7 |',
    '| calibrate | streamed into compress | 400 MB |',
    '| train | 1m15s | 512 MB |',
    'PeftModel.from_pretrained(model, "me/a")',
  ])
    expect(card).toContain(words);
  expect(card).not.toContain('choices');
});

test('without a report, the card says what the adapter says, and no figure', async () => {
  writeFileSync(join(dir, 'report.json'), JSON.stringify(report(`sha256:${'0'.repeat(64)}`)));
  expect((await push(adapter, 'me/a', '--base-model', 'org/tiny')).code).toBe(0);
  const card = pushed('README.md').toString();
  expect(card).toContain('| lora_alpha |');
  expect(card).not.toMatch(/Measured|Data/);
});

test('a report of another adapter, a base that is a path, a bad name, no adapter: refused, nothing is sent', async () => {
  const other = join(dir, 'other.json');
  writeFileSync(other, JSON.stringify(report(`sha256:${'0'.repeat(64)}`)));
  mkdirSync(join(dir, 'none'));
  const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8')) as object;
  const named = JSON.stringify({ ...config, base_model_name_or_path: '/models/base' });
  for (const [code, words, ...args] of [
    [1, '--report', adapter, 'me/a', '--base-model', 'org/tiny', '--report', other],
    [2, 'ORG/NAME', adapter, 'a', '--base-model', 'org/tiny'],
    [1, 'adapter_config.json', join(dir, 'none'), 'me/a', '--base-model', 'org/tiny'],
    [1, "don't have the rights", adapter, 'them/a', '--base-model', 'org/tiny'],
  ] as const) {
    const outcome = await push(...args);
    expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(words)]);
  }
  writeFileSync(join(adapter, 'adapter_config.json'), named);
  expect(await push(adapter, 'me/a')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--base-model'),
  });
  expect(hub.repositories.size).toBe(0);
});

test.each([
  [undefined, ', not corrected for the original.'],
  [{ method: 'none', strength: 1 }, ', not corrected for the original.'],
  [{ method: 'none', strength: 1.25 }, ', made 1.25 times as strong for the original.'],
  [{ method: 'paper', limit: 0.3 }, ', corrected for the original (paper, limit 0.3).'],
])('a card says of the correction %o: %s', (correction, words) => {
  const opened = openAdapter(fixture);
  const history = { emulator: 'sha256:0', correction };
  const card = adapterCard({ adapter: { ...opened, history }, baseModel: 'org/tiny', repo: 'me/a' });
  expect(card).toContain(`It was trained on a compressed emulator of the model${words}`);
});
