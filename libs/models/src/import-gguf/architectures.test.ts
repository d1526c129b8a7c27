/** Tensor names, norms and configurations of the architectures besides Llama, as llama.cpp's converter writes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensorBytes } from '@emloc/tensor-stream';
import { expect, test } from 'vitest';
import { openModel } from '../directory/open-model.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { importGguf } from './import-gguf.ts';
import { writeGguf, type MetadataEntry, type WrittenTensor } from './write-gguf.test-helper.ts';

const fixtures = join(import.meta.dirname, '../../../../tests/fixtures');

/** By the table of the `gguf` package; the longest first, since Gemma's names contain others. */
const names: readonly [RegExp, string][] = [
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^lm_head/, 'output'],
  [/^model\.layers/, 'blk'],
  [/input_layernorm/, 'attn_norm'],
  [/self_attn\.(.)_norm/, 'attn_$1_norm'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/self_attn\.(.)_proj/, 'attn_$1'],
  [/mlp\.(\w+)_proj/, 'ffn_$1'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
];
const postAttention = { gemma3: 'post_attention_norm', qwen2: 'ffn_norm', qwen3: 'ffn_norm' };

type Name = keyof typeof postAttention;

function fixture(name: Name) {
  const dir = join(fixtures, `tiny-${name}`);
  const file = readSafetensorsHeader(join(dir, 'model.safetensors'));
  const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, number>;
  const floats = (tensor: string): Float32Array =>
    new Float32Array(readTensorBytes(file, tensor).slice().buffer);
  return { file, config, floats };
}

function written(name: Name): WrittenTensor[] {
  const { file, floats } = fixture(name);
  return [...file.tensors.values()].map((tensor) => {
    const values = floats(tensor.name);
    const offset = name === 'gemma3' && tensor.name.endsWith('norm.weight') ? 1 : 0;
    const ggufName = [...names, [/post_attention_layernorm/, postAttention[name]] as const].reduce(
      (text, [pattern, by]) => text.replace(pattern, by),
      tensor.name,
    );
    const bytes = new Uint8Array(values.map((x) => x + offset).buffer);
    return { name: ggufName, type: 0, shape: tensor.shape, bytes };
  });
}

function metadata(name: Name, more: Record<string, MetadataEntry> = {}): Record<string, MetadataEntry> {
  const { config } = fixture(name);
  const tokens = Array.from({ length: config['vocab_size']! }, (_, id) => `t${id}`);
  return {
    'general.architecture': name,
    [`${name}.block_count`]: config['num_hidden_layers']!,
    [`${name}.context_length`]: config['max_position_embeddings']!,
    [`${name}.embedding_length`]: config['hidden_size']!,
    [`${name}.feed_forward_length`]: config['intermediate_size']!,
    [`${name}.attention.head_count`]: config['num_attention_heads']!,
    [`${name}.attention.head_count_kv`]: config['num_key_value_heads']!,
    ...(config['head_dim'] !== undefined && { [`${name}.attention.key_length`]: config['head_dim'] }),
    [`${name}.attention.layer_norm_rms_epsilon`]: { float: config['rms_norm_eps']! },
    [`${name}.rope.freq_base`]: { float: 1_000_000 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.merges': ['a b'],
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    ...more,
  };
}

const window = { 'gemma3.attention.sliding_window': 8 };

test.each([
  ['qwen2', {}],
  ['qwen3', {}],
  ['gemma3', window],
] as const)('%s: tensors and sizes come back as they were', async (name, more) => {
  const { file, config, floats } = fixture(name);
  const out = join(temporaryDirectory(), 'out');
  await importGguf(writeGguf(metadata(name, more), written(name)), out, { dtype: 'f32' });
  const imported = readSafetensorsHeader(join(out, 'model.safetensors'));
  expect([...imported.tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
  for (const tensor of file.tensors.keys()) {
    const values = new Float32Array(readTensorBytes(imported, tensor).slice().buffer);
    const golden = floats(tensor);
    const worst = values.reduce((most, x, i) => Math.max(most, Math.abs(x - golden[i]!)), 0);
    // 1 + w − 1 in float32.
    expect(worst, tensor).toBeLessThanOrEqual(
      name === 'gemma3' && tensor.endsWith('norm.weight') ? 1.2e-7 : 0,
    );
  }
  const made = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
  const same = [
    ...['model_type', 'architectures', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'vocab_size'],
    ...['num_attention_heads', 'num_key_value_heads', 'max_position_embeddings', 'rms_norm_eps'],
    ...['tie_word_embeddings', 'bos_token_id', 'eos_token_id', 'sliding_window'],
    ...(name === 'qwen2' ? [] : ['head_dim']),
    ...(name === 'gemma3'
      ? ['hidden_activation', 'rope_theta', 'rope_local_base_freq', 'rope_scaling']
      : ['hidden_act', 'rope_parameters']),
  ];
  for (const field of same) expect(made[field], field).toEqual(config[field]);
  // What was made can be used, and its kinds of attention are the fixture's where the file says them.
  const { architecture, config: opened } = openModel(out);
  const golden = openModel(join(fixtures, `tiny-${name}`));
  expect(architecture.name).toBe(golden.architecture.name);
  if (name !== 'gemma3')
    expect(architecture.attentionKinds(opened)).toEqual(golden.architecture.attentionKinds(golden.config));
});

test('yarn comes with its numbers; with factors that config.json has no field for it is refused', async () => {
  const scaled = (more: Parameters<typeof writeGguf>[0] = {}) =>
    writeGguf(
      metadata('qwen3', {
        'qwen3.rope.scaling.type': 'yarn',
        'qwen3.rope.scaling.factor': { float: 4 },
        'qwen3.rope.scaling.original_context_length': 32,
        ...more,
      }),
      written('qwen3'),
    );
  const out = join(temporaryDirectory(), 'out');
  await importGguf(scaled(), out);
  const made = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 };
  expect(made['rope_parameters']).toEqual({ ...yarn, rope_theta: 1_000_000 });
  expect(openModel(out).config.maxPositionEmbeddings).toBeGreaterThanOrEqual(128);
  const odd = scaled({ 'qwen3.rope.scaling.yarn_attn_factor': { float: 2 } });
  await expect(importGguf(odd, join(temporaryDirectory(), 'out'))).rejects.toMatchObject({
    field: 'qwen3.rope.scaling.yarn_attn_factor',
  });
});

test('what a Gemma file does not say is as llama.cpp has it', async () => {
  const out = join(temporaryDirectory(), 'out');
  const more = {
    ...window,
    'gemma3.rope.scaling.type': 'linear',
    'gemma3.rope.scaling.factor': { float: 8 },
  };
  await importGguf(writeGguf(metadata('gemma3', more), written('gemma3')), out);
  const made = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(made).toMatchObject({
    query_pre_attn_scalar: 12,
    sliding_window_pattern: 6,
    layer_types: ['sliding_attention', 'sliding_attention', 'sliding_attention'],
    rope_scaling: { rope_type: 'linear', factor: 8 },
  });
  const { architecture, config } = openModel(out);
  expect(architecture.attentionKinds(config).map(({ window }) => window)).toContain(8);
});

test('a Qwen3 file without its norms is refused', async () => {
  const cut = written('qwen3').filter((tensor) => !tensor.name.includes('attn_k_norm'));
  const out = join(temporaryDirectory(), 'out');
  await expect(importGguf(writeGguf(metadata('qwen3'), cut), out)).rejects.toThrow(
    /lacks the tensor.*attn_k_norm/,
  );
});

test('a file of the gguf package: ids of Python’s tokenizers, its chat template, and the weights that it names', async () => {
  const file = join(fixtures, 'gguf', 'tiny-qwen2.gguf');
  const out = join(temporaryDirectory(), 'out');
  await importGguf(file, out);
  expect(openModel(out).config).toMatchObject({
    vocabSize: 303,
    numLayers: 2,
    eosTokenIds: [302, 300],
    dtype: 'bf16',
  });
  const tokenizer = loadTokenizer(out)!;
  const rows = JSON.parse(readFileSync(file.replace(/gguf$/, 'json'), 'utf8')) as {
    text: string;
    ids: number[];
  }[];
  expect(rows).toHaveLength(4);
  for (const { text, ids } of rows) {
    expect(tokenizer.encode(text, { addSpecialTokens: false }), text).toEqual(ids);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
  }
  const chat = [
    { role: 'user', content: rows[0]!.text },
    { role: 'assistant', content: 'yes' },
  ];
  expect(tokenizer.applyChatTemplate(chat)).toBe(rows[3]!.text);
});
