import { EmlocError } from '@emloc/errors';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LlamaConfig } from '../architectures/llama/config.ts';
import { tinyLlama } from '../testing/fixture.ts';
import { folderTensor, ModelFolder, tinyTensors } from '../testing/model-folder.ts';
import { openModel } from './open-model.ts';

const failure = (dir: string): EmlocError => {
  try {
    openModel(dir);
  } catch (error) {
    expect(error).toBeInstanceOf(EmlocError);
    return error as EmlocError;
  }
  throw new Error('it was opened');
};

test('the tiny model opens without TensorFlow', () => {
  const model = openModel(tinyLlama);
  expect(model.config).toMatchObject({
    architecture: 'llama',
    hiddenSize: 64,
    headDim: 16,
    numKeyValueHeads: 2,
    rope: { theta: 10000 },
    eosTokenIds: [2],
    padTokenId: 0,
    dtype: 'f32',
  });
  expect(model.tensors.size).toBe(38);
  expect(model.emulator).toBeUndefined();
});

describe('config.json', () => {
  const parsed = (changes: Record<string, unknown>) => {
    using folder = new ModelFolder(changes).weights();
    return openModel(folder.dir).config as LlamaConfig;
  };

  test('rope, token ids and untied heads are read in every spelling', () => {
    expect(parsed({ rope_theta: 5e5, rope_scaling: null }).rope).toEqual({ theta: 5e5, dims: 8 });
    expect(parsed({ rope_scaling: { type: 'linear', factor: 2 } }).rope.scaling).toEqual({
      type: 'linear',
      factor: 2,
    });
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    expect(parsed({ rope_parameters: { rope_theta: 5e5, rope_type: 'llama3', ...llama3 } }).rope).toEqual({
      theta: 5e5,
      dims: 8,
      scaling: {
        type: 'llama3',
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalMaxPositionEmbeddings: 8192,
      },
    });
    expect(parsed({ eos_token_id: [7, 8], pad_token_id: -1 })).toMatchObject({
      eosTokenIds: [7, 8],
      padTokenId: undefined,
    });
    expect(parsed({ tie_word_embeddings: false, head_dim: 10, attention_bias: true })).toMatchObject({
      headDim: 10,
    });
    expect(parsed({ num_key_value_heads: null, head_dim: null })).toMatchObject({
      numKeyValueHeads: 4,
      headDim: 8,
    });
  });

  test.each([
    [{ model_type: 'mamba' }, 'UNSUPPORTED_ARCHITECTURE', 'supported are: '],
    [{ model_type: undefined }, 'UNSUPPORTED_ARCHITECTURE', 'supported are: '],
    [{ hidden_size: 0 }, 'BAD_MODEL_CONFIG', 'hidden_size'],
    [{ num_hidden_layers: 'two' }, 'BAD_MODEL_CONFIG', 'num_hidden_layers'],
    [{ num_key_value_heads: 3 }, 'BAD_MODEL_CONFIG', 'num_key_value_heads'],
    [{ hidden_size: 30 }, 'BAD_MODEL_CONFIG', 'add head_dim'],
    [{ hidden_act: 'relu' }, 'BAD_MODEL_CONFIG', 'relu'],
    [
      { rope_scaling: { rope_type: 'axial', factor: 2 } },
      'UNSUPPORTED_ROPE_SCALING',
      'default, linear, dynamic, llama3, yarn, longrope',
    ],
    [{ rope_scaling: { rope_type: 'llama3', factor: 2 } }, 'BAD_MODEL_CONFIG', 'low_freq_factor'],
    [{ partial_rotary_factor: 0.5 }, 'BAD_MODEL_CONFIG', 'rotates all of each head'],
    [{ quantization_config: { quant_method: 'gptq' } }, 'QUANTIZED_MODEL', 'convert to bf16 first'],
    [{ quantization_config: { load_in_8bit: true } }, 'QUANTIZED_MODEL', 'quantized (bitsandbytes)'],
    [{ quantization_config: { bits: 4, desc_act: false } }, 'QUANTIZED_MODEL', 'quantized (gptq)'],
    [{ quantization_config: { bits: 4 } }, 'QUANTIZED_MODEL', 'quantized (unknown)'],
  ])('%j is refused', (changes, reason, text) => {
    using folder = new ModelFolder(changes);
    const error = failure(folder.dir);
    expect(error.reason).toBe(reason);
    expect(error.describe()).toContain(text);
  });

  test('that is no JSON object is refused', () => {
    using folder = new ModelFolder();
    writeFileSync(join(folder.dir, 'config.json'), '{"model_type": "llama",');
    expect(failure(folder.dir).reason).toBe('BAD_JSON_FILE');
    writeFileSync(join(folder.dir, 'config.json'), '[]');
    expect(failure(folder.dir).describe()).toContain('config.json holds no JSON object');
  });
});

describe('a directory that is none', () => {
  test('is told from a file, an adapter and nothing at all', () => {
    using folder = new ModelFolder();
    expect(failure(join(folder.dir, 'nothing'))).toMatchObject({
      code: 'NOT_FOUND',
      reason: 'MODEL_NOT_FOUND',
    });
    expect(failure(join(folder.dir, 'config.json')).describe()).toContain('this is a file');
    rmSync(join(folder.dir, 'config.json'));
    expect(failure(folder.dir).describe()).toContain('there is no config.json');
    folder.json('adapter_config.json', {});
    expect(failure(folder.dir).describe()).toContain('an adapter only');
  });

  test('has weights in another format', () => {
    using folder = new ModelFolder();
    expect(failure(folder.dir)).toMatchObject({ reason: 'NO_WEIGHTS' });
    writeFileSync(join(folder.dir, 'pytorch_model.bin'), '');
    expect(failure(folder.dir).describe()).toContain('only pytorch_model.bin');
  });
});

describe('weights', () => {
  test('may be sharded', () => {
    using folder = new ModelFolder().sharded();
    expect(openModel(folder.dir).weightFiles).toHaveLength(2);
  });

  test('shards that are missing, outside or not as the index says are refused', () => {
    using folder = new ModelFolder().sharded();
    const index = JSON.parse(readFileSync(join(folder.dir, 'model.safetensors.index.json'), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    const change = (tensor: string, file: string): EmlocError => {
      folder.json('model.safetensors.index.json', { weight_map: { ...index.weight_map, [tensor]: file } });
      return failure(folder.dir);
    };
    expect(change('model.norm.weight', '../other.safetensors').describe()).toContain('outside the directory');
    expect(change('model.norm.weight', 'model-00001-of-00002.safetensors').describe()).toContain(
      'but it is not',
    );
    rmSync(join(folder.dir, 'model-00002-of-00002.safetensors'));
    expect(change('x', 'model-00001-of-00002.safetensors').describe()).toContain('a shard is missing');
  });

  test('a missing tensor, a wrong shape and a quantized type are named', () => {
    using folder = new ModelFolder();
    const tensors = tinyTensors(folder.config);
    folder.weights(tensors.filter(({ name }) => name !== 'model.layers.1.mlp.up_proj.weight'));
    expect(failure(folder.dir).message).toBe(
      'tensor model.layers.1.mlp.up_proj.weight of shape [40, 32] is missing',
    );

    const replaced = (changed: ReturnType<typeof folderTensor>) =>
      folder.weights(tensors.map((t) => (t.name === changed.name ? changed : t)));
    replaced(folderTensor('model.norm.weight', [31], 1));
    expect(failure(folder.dir).message).toBe(
      'model.norm.weight has shape [31], but config.json promises [32]',
    );
    const name = 'model.layers.0.mlp.up_proj.weight';
    replaced({ name, dtype: 'i8', shape: [40, 32], bytes: new Uint8Array(1280) });
    expect(failure(folder.dir)).toMatchObject({
      reason: 'UNSUPPORTED_DTYPE',
      field: name,
      mend: 'convert to bf16 first',
    });
  });

  test.each([
    ['model.layers.0.mlp.up_proj.g_idx', 'gptq'],
    ['model.layers.0.mlp.up_proj.qzeros', 'awq'],
    ['model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4', 'bitsandbytes'],
    ['model.layers.0.mlp.up_proj.weight.absmax', 'bitsandbytes'],
    ['model.layers.0.mlp.up_proj.weight_scale_inv', 'fp8'],
    ['model.layers.0.mlp.up_proj.weight_packed', 'compressed-tensors'],
  ])('with a tensor %s are refused as %s', (name, method) => {
    using folder = new ModelFolder();
    folder.weights([...tinyTensors(folder.config), folderTensor(name, [4], 1)]);
    expect(failure(folder.dir)).toMatchObject({
      reason: 'QUANTIZED_MODEL',
      field: name,
      value: method,
      mend: 'convert to bf16 first',
    });
  });

  test('a head beside a tied one: the same is no matter, another is refused; a missing one tells of tying', () => {
    using folder = new ModelFolder({ tie_word_embeddings: true });
    const tensors = tinyTensors(folder.config);
    const embedding = tensors.find(({ name }) => name === 'model.embed_tokens.weight')!;
    folder.weights([...tensors, { ...embedding, name: 'lm_head.weight' }]);
    expect(openModel(folder.dir).config.tieWordEmbeddings).toBe(true);
    folder.weights([...tensors, folderTensor('lm_head.weight', embedding.shape, 99)]);
    expect(failure(folder.dir)).toMatchObject({ field: 'tie_word_embeddings', reason: 'BAD_MODEL_CONFIG' });
    folder.json('config.json', { ...folder.config, tie_word_embeddings: false }).weights(tensors);
    expect(failure(folder.dir)).toMatchObject({
      reason: 'MISSING_TENSOR',
      mend: expect.stringContaining('set tie_word_embeddings to true'),
    });
  });

  test('an embedding and a head larger than a tokenizer would need are no matter', () => {
    using folder = new ModelFolder({ vocab_size: 64, tie_word_embeddings: false }).weights();
    expect(openModel(folder.dir).config.vocabSize).toBe(64);
  });

  test('a truncated file and bytes that belong to nothing are refused', () => {
    using folder = new ModelFolder().weights();
    const file = join(folder.dir, 'model.safetensors');
    appendFileSync(file, 'more');
    expect(failure(folder.dir)).toMatchObject({ code: 'DATA_LOSS', reason: 'BAD_SAFETENSORS' });
    truncateSync(file, 5000);
    expect(failure(folder.dir)).toMatchObject({ code: 'DATA_LOSS', reason: 'BAD_SAFETENSORS' });
  });
});

describe('names of tensors', () => {
  const renamed = (folder: ModelFolder, rename: (name: string) => string) =>
    tinyTensors(folder.config).map((t) => ({ ...t, name: rename(t.name) }));

  test.each<[string, (name: string) => string]>([
    ['lack the prefix', (name) => name.replace(/^model\./, '')],
    ['have it twice', (name) => `model.${name}`],
    ['have it twice but for the head', (name) => name.replace(/^model\./, 'model.model.')],
  ])('that %s are canonical once the directory is open', (_, rename) => {
    using plain = new ModelFolder({ tie_word_embeddings: false }).weights();
    using folder = new ModelFolder({ tie_word_embeddings: false });
    folder.weights(renamed(folder, rename));
    const model = openModel(folder.dir);
    expect([...model.tensors.keys()].sort()).toEqual([...openModel(plain.dir).tensors.keys()].sort());
    const norm = model.tensors.get('model.norm.weight')!;
    expect(norm.name).toBe(rename('model.norm.weight'));
  });

  test('that mean the same tensor are refused', () => {
    using folder = new ModelFolder();
    folder.weights([...tinyTensors(folder.config), folderTensor('norm.weight', [32], 1)]);
    expect(failure(folder.dir)).toMatchObject({ reason: 'DUPLICATE_TENSOR', field: 'model.norm.weight' });
  });
});

describe('an emulator directory', () => {
  const module = 'model.layers.0.mlp.down_proj';
  const info = {
    formatVersion: 1,
    original: { name: 'tiny', digest: `sha256:${'0'.repeat(64)}` },
    method: 'activation-svd',
    ratios: { '.*down_proj': 0.5 },
    modules: { [module]: { rank: 3, ratio: 0.5, relativeTruncationLoss: 0.1 } },
  };
  const factors = (folder: ModelFolder, rankOfV = 3) => [
    ...tinyTensors(folder.config).filter(({ name }) => name !== `${module}.weight`),
    folderTensor(`${module}.u`, [32, 3], 1),
    folderTensor(`${module}.v`, [rankOfV, 40], 2),
  ];

  test('has factors in place of a weight', () => {
    using folder = new ModelFolder();
    folder.weights(factors(folder)).json('emloc.json', info);
    const model = openModel(folder.dir);
    expect(model.emulator).toEqual(info);
    expect([model.isFactored(module), model.isFactored('model.layers.1.mlp.down_proj')]).toEqual([
      true,
      false,
    ]);
  });

  test('with factors that do not fit, without emloc.json, or with a bad one is refused', () => {
    using folder = new ModelFolder();
    folder.weights(factors(folder));
    expect(failure(folder.dir).describe()).toContain('no emloc.json');
    folder.json('emloc.json', { ...info, ratios: { x: 1.5 } });
    expect(failure(folder.dir)).toMatchObject({ field: 'ratios.x', value: '1.5' });
    folder.json('emloc.json', info).weights(factors(folder, 2));
    expect(failure(folder.dir).message).toBe(
      `${module}.v has shape [2, 40], but config.json promises [3, 40]`,
    );
  });
});

test('the digest follows config and weights, and nothing else', async () => {
  using folder = new ModelFolder().weights();
  const digest = await openModel(folder.dir).digest();
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  folder.json('generation_config.json', {});
  expect(await openModel(folder.dir).digest()).toBe(digest);
  folder.json('config.json', { ...folder.config, max_position_embeddings: 65 });
  expect(await openModel(folder.dir).digest()).not.toBe(digest);
});
