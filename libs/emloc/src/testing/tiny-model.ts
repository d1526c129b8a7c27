/** Random models of any small shape, for what the golden fixture is too large or too regular for. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { architectureOf } from '@emloc/models';
import { toBf16Bits, writeSafetensors, type TensorInfo } from '@emloc/tensor-stream';
import { randomNumbers } from './fixture.ts';

export interface TinyModelOptions {
  readonly layers?: number;
  readonly hidden?: number;
  readonly intermediate?: number;
  readonly vocabulary?: number;
  readonly dtype?: 'f32' | 'bf16';
  readonly shards?: number;
  readonly seed?: number;
}

/** Writes a Llama directory and gives its path back. */
export function writeTinyModel(dir: string, options: TinyModelOptions = {}): string {
  const {
    layers = 1,
    hidden = 16,
    intermediate = 24,
    vocabulary = 32,
    dtype = 'f32',
    shards = 1,
    seed = 1,
  } = options;
  mkdirSync(dir, { recursive: true });
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: hidden / 2,
    intermediate_size: intermediate,
    vocab_size: vocabulary,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  writeFileSync(join(dir, 'tokenizer_config.json'), '{}');
  const architecture = architectureOf(config.model_type);
  const infos = architecture
    .expectedTensors(architecture.parseConfig(config))
    .map(({ name, shape }): TensorInfo => ({ name, shape, dtype }));
  const tensors = infos.map((info, i) => ({ ...info, bytes: randomBytes(info, seed * 1000 + i) }));
  if (shards === 1) {
    writeSafetensors(join(dir, 'model.safetensors'), tensors, { format: 'pt' });
    return dir;
  }
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard += 1) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const own = tensors.filter((_, i) => i % shards === shard);
    for (const { name } of own) weightMap[name] = file;
    writeSafetensors(join(dir, file), own, { format: 'pt' });
  }
  writeFileSync(
    join(dir, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: weightMap }),
  );
  return dir;
}

function randomBytes({ shape, dtype }: TensorInfo, seed: number): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const spread = shape.length === 1 ? 0.1 : 1 / Math.sqrt(shape[1] ?? 1);
  const values = randomNumbers(count, seed).map((x) => x * spread + (shape.length === 1 ? 1 : 0));
  const stored = dtype === 'bf16' ? Uint16Array.from(values, toBf16Bits) : Float32Array.from(values);
  return new Uint8Array(stored.buffer);
}
