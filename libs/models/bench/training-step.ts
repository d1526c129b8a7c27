/**
 * Time of a training pass (forward, loss, backward; no adapters) on random weights in the shape of SmolLM2-135M.
 *
 *   npx tsx libs/models/bench/training-step.ts [--tokens 110] [--rows 8] [--micro 2] [--labels 3] [--mode resident]
 *     [--rank-ratio 1] [--keep mlp.gate_proj,mlp.up_proj] [--waves] [--steps 3]
 *
 * `--waves`: one micro-batch after the other, else all go through a layer together.
 * `--rank-ratio 0.5` gives every linear factors that hold half of its parameters, as an emulator has.
 */
import { liveTensors, readMemory, startEngine } from '@emloc/engine';
import { writeSafetensors } from '@emloc/tensor-stream';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  backwardPass,
  forwardPass,
  lossPass,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
  architectureOf,
  type LinearsFor,
} from '../src/index.ts';

const { values: args } = parseArgs({
  options: {
    tokens: { type: 'string', default: '110' },
    rows: { type: 'string', default: '8' },
    micro: { type: 'string', default: '2' },
    labels: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'resident' },
    'rank-ratio': { type: 'string', default: '1' },
    steps: { type: 'string', default: '3' },
    keep: { type: 'string', default: '' },
    waves: { type: 'boolean', default: false },
  },
});
const n = (name: keyof typeof args): number => Number(args[name]);

const config = {
  model_type: 'llama',
  hidden_size: 576,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  intermediate_size: 1536,
  vocab_size: 49152,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
};

const ratio = n('rank-ratio');
const dir = join(tmpdir(), `emloc-bench-${ratio}`);
if (!existsSync(join(dir, 'model.safetensors'))) makeModel();
const info = await startEngine();
const source = openWeights(openModel(dir), { mode: args.mode as 'resident' });
let state = 1;
const random = (below: number): number => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % below;
const rows = Array.from({ length: n('rows') }, () => {
  const inputIds = Array.from({ length: n('tokens') }, () => random(49152));
  return { inputIds, labels: inputIds.map((id, t) => (t < inputIds.length - n('labels') ? -100 : id)) };
});
const keepOutputs = args.keep === '' ? [] : args.keep.split(',');
const plain: LinearsFor = (_, w) => plainLinears(w);
for (let step = 0; step < n('steps'); step++) {
  const micro = n('micro');
  const batches = Array.from({ length: rows.length / micro }, (_, i) =>
    prepareBatch(source, rows.slice(i * micro, (i + 1) * micro)),
  );
  const cpu0 = process.cpuUsage();
  const t = [0, 0, 0];
  let lossSum = 0;
  for (const wave of args.waves ? batches.map((b) => [b]) : [batches]) {
    const t0 = performance.now();
    const forward = await forwardPass(source, wave, plain, { keepInputs: true, keepOutputs });
    const t1 = performance.now();
    const loss = lossPass(source, wave, forward.hidden, { gradientScale: 1 / 24 });
    forward.hidden.forEach((h) => h.dispose());
    const t2 = performance.now();
    await backwardPass(source, wave, forward.inputs, loss.dHidden, plain);
    const t3 = performance.now();
    lossSum += loss.lossSum;
    [t1 - t0, t2 - t1, t3 - t2].forEach((ms, i) => (t[i]! += ms));
  }
  const cpu = process.cpuUsage(cpu0);
  batches.forEach((b) => b.dispose());
  const [forwardMs, lossMs, backwardMs] = t.map((ms) => ms.toFixed(0));
  const totalMs = t.reduce((a, b) => a + b, 0).toFixed(0);
  const processorMs = ((cpu.user + cpu.system) / 1e3).toFixed(0);
  console.error(
    `step ${step}: forward ${forwardMs} loss ${lossMs} backward ${backwardMs} total ${totalMs} ms, ` +
      `processor ${processorMs} ms, loss sum ${lossSum.toFixed(3)}`,
  );
}
console.error(info.threads, 'threads', liveTensors(), readMemory());
source.close();

function makeModel(): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  const architecture = architectureOf('llama');
  const parsed = architecture.parseConfig(config);
  const modules: Record<string, unknown> = {};
  const tensors = architecture.expectedTensors(parsed).flatMap(({ name, shape }) => {
    const [out, inner] = shape as [number, number];
    if (ratio === 1 || !name.includes('_proj')) return [bf16(name, shape)];
    const module = name.replace('.weight', '');
    const rank = Math.floor((out * inner * ratio) / (out + inner));
    modules[module] = { rank, ratio, relativeTruncationLoss: 0 };
    return [bf16(`${module}.u`, [out, rank]), bf16(`${module}.v`, [rank, inner])];
  });
  writeSafetensors(join(dir, 'model.safetensors'), tensors);
  if (ratio !== 1)
    writeFileSync(
      join(dir, 'emloc.json'),
      JSON.stringify({
        formatVersion: 1,
        original: { name: 'random', digest: `sha256:${'0'.repeat(64)}` },
        method: 'svd',
        ratios: { '.*': ratio },
        modules,
      }),
    );
}

function bf16(name: string, shape: readonly number[]) {
  const count = shape.reduce((a, b) => a * b, 1);
  const words = new Uint16Array(count);
  const scale = shape.length === 1 ? 0 : 0.08;
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  let s = 7 + count;
  for (let i = 0; i < count; i++) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    float[0] = shape.length === 1 ? 1 : (s / 2 ** 32 - 0.5) * scale;
    words[i] = bits[0]! >>> 16;
  }
  return { name, dtype: 'bf16' as const, shape, bytes: new Uint8Array(words.buffer) };
}
