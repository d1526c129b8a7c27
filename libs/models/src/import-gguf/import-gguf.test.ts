import { existsSync, readdirSync, readFileSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fromBf16Bits, readSafetensorsHeader, readTensorBytes, toF16Bits } from '@emloc/tensor-stream';
import { expect, test } from 'vitest';
import type { LlamaConfig } from '../architectures/llama/config.ts';
import { openModel } from '../directory/open-model.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { llama3Factors } from './architectures/rope-scaling.ts';
import { importGguf } from './import-gguf.ts';
import { writeGguf, type MetadataEntry, type WrittenTensor } from './write-gguf.test-helper.ts';

const fixture = join(import.meta.dirname, '../../../../tests/fixtures/tiny-llama');
const original = readSafetensorsHeader(join(fixture, 'model.safetensors'));
const headDim = 16;

/** As llama.cpp's converter: [heads, 2, half, in] → [heads, half, 2, in]. */
function interleave(values: Float32Array, columns: number): Float32Array {
  const half = headDim / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length / columns; row++) {
    const [head, which, i] = [Math.floor(row / headDim), Math.floor((row % headDim) / half), row % half];
    const to = head * headDim + i * 2 + which;
    out.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}

const ggufName = (name: string): string =>
  name
    .replace('model.embed_tokens', 'token_embd')
    .replace('model.norm', 'output_norm')
    .replace('model.layers', 'blk')
    .replace('input_layernorm', 'attn_norm')
    .replace('post_attention_layernorm', 'ffn_norm')
    .replace('self_attn.o_proj', 'attn_output')
    .replace(/self_attn\.(.)_proj/, 'attn_$1')
    .replace(/mlp\.(\w+)_proj/, 'ffn_$1');

const floatsOf = (name: string): Float32Array => new Float32Array(readTensorBytes(original, name).buffer);

/** x ≈ d q, d the largest magnitude over 127. */
function quantizeQ8(values: Float32Array): Uint8Array {
  const out = Buffer.alloc((values.length / 32) * 34);
  for (let block = 0; block < values.length / 32; block++) {
    const part = values.subarray(block * 32, block * 32 + 32);
    const d = part.reduce((a, b) => Math.max(a, Math.abs(b)), 0) / 127;
    out.writeUInt16LE(toF16Bits(d), block * 34);
    part.forEach((x, i) =>
      out.writeInt8(Math.max(-127, Math.min(127, Math.round(x / d))), block * 34 + 2 + i),
    );
  }
  return out;
}

function tensorsOf(type: 'F32' | 'Q8_0'): WrittenTensor[] {
  return [...original.tensors.values()].map(({ name, shape }) => {
    const permuted = /[qk]_proj/.test(name) ? interleave(floatsOf(name), shape[1]!) : floatsOf(name);
    const quantized = type === 'Q8_0' && shape.length > 1;
    const bytes = quantized ? quantizeQ8(permuted) : new Uint8Array(permuted.buffer);
    return { name: ggufName(name), type: quantized ? 8 : 0, shape, bytes };
  });
}

/** GPT-2's letters for the 256 bytes, in the order of its vocabulary. */
const printable = [...Array(256).keys()].filter((b) => (b > 32 && b < 127) || (b > 160 && b !== 173));
const others = [...Array(256).keys()].filter((b) => !printable.includes(b));
const letters = [...printable, ...others].map((b) =>
  String.fromCharCode(printable.includes(b) ? b : 256 + others.indexOf(b)),
);
const tokens = [...letters.slice(0, 250), '<|start|>', '<|end|>', 'he', 'Ġ', 'ł', 'll'];

const metadata: Record<string, MetadataEntry> = {
  'general.architecture': 'llama',
  'llama.block_count': 4,
  'llama.context_length': 512,
  'llama.embedding_length': 64,
  'llama.feed_forward_length': 160,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.attention.layer_norm_rms_epsilon': { float: 1e-5 },
  'llama.rope.freq_base': { float: 10000 },
  'llama.rope.dimension_count': headDim,
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'smollm',
  'tokenizer.ggml.tokens': tokens,
  'tokenizer.ggml.token_type': tokens.map((token) => (token.startsWith('<|') ? 3 : 1)),
  'tokenizer.ggml.merges': ['h e', 'l l'],
  'tokenizer.ggml.bos_token_id': 250,
  'tokenizer.ggml.eos_token_id': 251,
  'tokenizer.ggml.add_bos_token': false,
  'tokenizer.chat_template': '{% for m in messages %}<|start|>{{ m.content }}<|end|>{% endfor %}',
};

const target = (): string => join(temporaryDirectory(), 'out');

const llamaConfig = (dir: string): LlamaConfig => openModel(dir).config as LlamaConfig;

test('a file in f32 comes back as the model it was made of', async () => {
  const out = target();
  const imported = await importGguf(writeGguf(metadata, tensorsOf('F32')), out);
  expect(imported).toEqual({ dir: out, architecture: 'llama', dtype: 'f32', tensors: original.tensors.size });
  const file = readSafetensorsHeader(join(out, 'model.safetensors'));
  expect([...file.tensors.keys()].sort()).toEqual([...original.tensors.keys()].sort());
  for (const name of original.tensors.keys()) {
    expect(Buffer.compare(readTensorBytes(file, name), readTensorBytes(original, name)), name).toBe(0);
  }
  const config = llamaConfig(out);
  const expected = llamaConfig(fixture);
  for (const field of [
    'hiddenSize',
    'numLayers',
    'numHeads',
    'numKeyValueHeads',
    'headDim',
    'vocabSize',
    'rope',
    'tieWordEmbeddings',
    'rmsNormEps',
  ] as const) {
    expect(config[field], field).toEqual(expected[field]);
  }
  expect(config).toMatchObject({ bosTokenId: 250, eosTokenIds: [251] });
});

test('quantized weights become bf16, near what they were', async () => {
  const out = target();
  expect(await importGguf(writeGguf(metadata, tensorsOf('Q8_0')), out)).toMatchObject({ dtype: 'bf16' });
  const file = readSafetensorsHeader(join(out, 'model.safetensors'));
  for (const name of original.tensors.keys()) {
    const values = [...new Uint16Array(readTensorBytes(file, name).buffer)].map(fromBf16Bits);
    const golden = floatsOf(name);
    const largest = golden.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const worst = values.reduce((most, x, i) => Math.max(most, Math.abs(x - golden[i]!)), 0);
    expect(worst, name).toBeLessThan(largest * 0.01);
  }
});

test('the tokenizer merges, finds special tokens and renders the chat template', async () => {
  const out = target();
  await importGguf(writeGguf(metadata, tensorsOf('F32')), out);
  const tokenizer = loadTokenizer(out)!;
  const pieces = (text: string): string[] => tokenizer.encode(text).map((id) => tokens[id]!);
  expect(pieces('hello')).toEqual(['he', 'll', 'o']);
  expect(pieces('a<|end|>he')).toEqual(['a', '<|end|>', 'he']);
  expect(pieces('1½')).toEqual(['1', 'Â', '½']);
  expect(tokenizer.decode(tokenizer.encode('hello, world'))).toBe('hello, world');
  expect(tokenizer.applyChatTemplate([{ role: 'user', content: 'hi' }])).toBe('<|start|>hi<|end|>');
  expect(tokenizer.eosTokenId).toBe(251);
});

test('a beginning of text is put before it where the file says so', async () => {
  const out = target();
  await importGguf(writeGguf({ ...metadata, 'tokenizer.ggml.add_bos_token': true }, tensorsOf('F32')), out);
  const tokenizer = loadTokenizer(out)!;
  expect(tokenizer.encode('he')[0]).toBe(250);
  expect(tokenizer.encode('he', { addSpecialTokens: false })[0]).toBe(tokens.indexOf('he'));
});

test("Llama 3's rope factors become the numbers that they came from; others are refused", async () => {
  const scaling = {
    rope_type: 'llama3',
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  } as const;
  const factors = Float32Array.from(llama3Factors(scaling, 500_000, headDim));
  const long = { ...metadata, 'llama.rope.freq_base': { float: 500_000 } };
  const tensor = (values: Float32Array): WrittenTensor => ({
    name: 'rope_freqs.weight',
    type: 0,
    shape: [headDim / 2],
    bytes: new Uint8Array(values.buffer),
  });
  const out = target();
  await importGguf(writeGguf(long, [...tensorsOf('F32'), tensor(factors)]), out);
  const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config.rope_scaling).toEqual(scaling);
  expect(llamaConfig(out).rope).toMatchObject({
    theta: 500_000,
    scaling: { type: 'llama3', factor: 32 },
  });
  const other = Float32Array.from(factors, (x, i) => x + i);
  await expect(importGguf(writeGguf(long, [...tensorsOf('F32'), tensor(other)]), target())).rejects.toThrow(
    /not Llama 3/,
  );
});

const without = (key: string): Record<string, MetadataEntry> =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== key));
const nan = tensorsOf('F32').map((t) =>
  t.name === 'blk.1.ffn_up.weight' ? { ...t, bytes: new Uint8Array(t.bytes.length).fill(255) } : t,
);
const q2k = tensorsOf('F32').map((t) => (t.name === 'blk.1.ffn_up.weight' ? { ...t, type: 10 } : t));

const refused: [string, () => string, RegExp][] = [
  [
    'another architecture',
    () => writeGguf({ ...metadata, 'general.architecture': 'mamba' }, tensorsOf('F32')),
    /architecture mamba/,
  ],
  [
    'another tokenizer',
    () => writeGguf({ ...metadata, 'tokenizer.ggml.model': 'bert' }, tensorsOf('F32')),
    /of the kind bert/,
  ],
  [
    'an unknown way of cutting text',
    () => writeGguf({ ...metadata, 'tokenizer.ggml.pre': 'toString' }, tensorsOf('F32')),
    /in the way of toString/,
  ],
  ['a type that is not imported', () => writeGguf(metadata, q2k), /blk.1.ffn_up.weight as Q2_K/],
  [
    'a part of a split file',
    () => writeGguf({ ...metadata, 'split.count': 3 }, tensorsOf('F32')),
    /one part of a split/,
  ],
  ['experts', () => writeGguf({ ...metadata, 'llama.expert_count': 8 }, tensorsOf('F32')), /8 experts/],
  [
    'heads that are rotated in part',
    () => writeGguf({ ...metadata, 'llama.rope.dimension_count': 8 }, tensorsOf('F32')),
    /rotates 8 of 16/,
  ],
  [
    'other scaling',
    () => writeGguf({ ...metadata, 'llama.rope.scaling.type': 'longrope' }, tensorsOf('F32')),
    /by longrope/,
  ],
  [
    'missing metadata',
    () => writeGguf(without('llama.context_length'), tensorsOf('F32')),
    /lacks the metadata llama.context_length/,
  ],
  ['a missing tensor', () => writeGguf(metadata, tensorsOf('F32').slice(0, -1)), /lacks the tensor/],
  [
    'a tensor that is unknown',
    () =>
      writeGguf(metadata, [
        ...tensorsOf('F32'),
        { name: 'blk.0.ssm_in.weight', type: 0, shape: [8], bytes: new Uint8Array(32) },
      ]),
    /ssm_in.weight, which no plain llama/,
  ],
  ['numbers that are none', () => writeGguf(metadata, nan), /blk.1.ffn_up.weight with the number NaN/],
  [
    'a special token beyond the vocabulary',
    () => writeGguf({ ...metadata, 'tokenizer.ggml.eos_token_id': 999 }, tensorsOf('F32')),
    /beyond its 256 tokens/,
  ],
];

test.each(refused)('%s is refused, and nothing is left', async (_what, make, message) => {
  const out = target();
  await expect(importGguf(make(), out)).rejects.toThrow(message);
  await expect(importGguf(make(), out)).rejects.toMatchObject({
    name: 'EmlocError',
    field: expect.any(String),
    mend: expect.any(String),
  });
  expect(readdirSync(dirname(out))).toEqual([]);
});

test('a file cut short anywhere is refused', async () => {
  const path = writeGguf(metadata, tensorsOf('F32'));
  const whole = readFileSync(path);
  for (const keep of [3, 20, 1000, 4000, 8000, statSync(path).size - 33]) {
    writeFileSync(path, whole);
    truncateSync(path, keep);
    await expect(importGguf(path, target()), `${keep} bytes`).rejects.toMatchObject({ name: 'EmlocError' });
  }
});

test('an output that is there is kept, unless it is to be overwritten', async () => {
  const path = writeGguf(metadata, tensorsOf('F32'));
  const out = target();
  await importGguf(path, out);
  await expect(importGguf(path, out)).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: '--output' });
  await importGguf(path, out, { overwrite: true, dtype: 'f16' });
  expect(readSafetensorsHeader(join(out, 'model.safetensors')).tensors.get('model.norm.weight')!.dtype).toBe(
    'f16',
  );
  expect(readdirSync(dirname(out))).toEqual(['out']);
});

test('a cancelled import leaves nothing, and progress ends at the whole', async () => {
  const path = writeGguf(metadata, tensorsOf('F32'));
  const out = target();
  const controller = new AbortController();
  const stop = { signal: controller.signal, onProgress: () => controller.abort() };
  await expect(importGguf(path, out, stop)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(existsSync(out)).toBe(false);
  let last = { doneBytes: 0, totalBytes: 1 };
  await importGguf(path, out, { onProgress: (progress) => (last = progress) });
  expect(last.doneBytes).toBe(last.totalBytes);
});
