/** Models, adapters and rows that something is wrong with, made of tests/fixtures/tiny-llama where the mesh may read. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readSafetensorsHeader,
  readTensorBytes,
  writeSafetensors,
  type TensorInfo,
} from '@emloc/tensor-stream';
import { fixture } from '../support/test-mesh.ts';

export interface Source {
  readonly path: string;
}

export interface DatasetSpec {
  readonly source: Source;
  readonly [field: string]: unknown;
}

export interface FileTensor extends TensorInfo {
  readonly bytes: Uint8Array;
}

/** Text, bytes, or what is written as JSON. */
type Content = string | Uint8Array | object;

export class Files {
  readonly #root: string;
  /** Makes ids of one run other than those of the next. */
  readonly #run = randomBytes(4).toString('hex');
  #count = 0;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true });
  }

  id(name: string): string {
    return `reasons-${name}-${this.#run}`;
  }

  /** A folder of its own with these files. */
  folder(files: Readonly<Record<string, Content>> = {}): string {
    const folder = join(this.#root, String((this.#count += 1)));
    mkdirSync(folder);
    for (const [name, content] of Object.entries(files)) {
      const isPlain = typeof content === 'string' || content instanceof Uint8Array;
      writeFileSync(join(folder, name), isPlain ? content : JSON.stringify(content));
    }
    return folder;
  }

  /** A data set of one file. */
  rows(content: string | Uint8Array, name = 'rows.jsonl', spec: object = {}): DatasetSpec {
    return { source: { path: join(this.folder({ [name]: content }), name) }, ...spec };
  }

  /** The same rows, which nobody but root may read any more. */
  unreadable(rows: DatasetSpec): DatasetSpec {
    chmodSync(rows.source.path, 0);
    return rows;
  }

  /** tiny-llama with other settings and files; `tensors`: its weights, changed. */
  model(
    config: object = {},
    files: Readonly<Record<string, Content>> = {},
    tensors?: (all: FileTensor[]) => readonly FileTensor[],
  ): Source {
    const folder = this.folder({ 'config.json': { ...fixtureConfig(), ...config }, ...files });
    const weights = join(folder, 'model.safetensors');
    if (tensors !== undefined) writeSafetensors(weights, tensors(tensorsOf(fixtureWeights)));
    else if (!Object.keys(files).some((name) => name.includes('safetensors')))
      symlinkSync(fixtureWeights, weights);
    return { path: folder };
  }

  text(folder: Source, name: string): string {
    return readFileSync(join(folder.path, name), 'utf8');
  }

  /** tiny-llama as an emulator of itself in which nothing is compressed. */
  emulator(original = digestOfModel(fixture)): Source {
    const info = { formatVersion: 1, original: { name: 'tiny-llama', digest: original } };
    return this.model({}, { 'emloc.json': { ...info, method: 'svd', ratios: {}, modules: {} } });
  }

  /** tiny-llama's adapter with other settings; `tensors` and `metadata`: its weights, changed. */
  adapter(
    config: object = {},
    tensors: (all: FileTensor[]) => readonly FileTensor[] = (all) => all,
    metadata: Readonly<Record<string, string>> = { format: 'pt' },
  ): Source {
    const folder = this.folder({
      'adapter_config.json': { ...json(join(fixtureAdapter, 'adapter_config.json')), ...config },
    });
    writeSafetensors(
      join(folder, 'adapter_model.safetensors'),
      tensors(tensorsOf(join(fixtureAdapter, 'adapter_model.safetensors'))),
      metadata,
    );
    return { path: folder };
  }

  /** A safetensors file of any header. */
  safetensors(tensors: readonly FileTensor[], metadata: Readonly<Record<string, string>>): Source {
    const path = join(this.folder(), 'tensors.safetensors');
    writeSafetensors(path, tensors, metadata);
    return { path };
  }
}

export const model: Source = { path: fixture };
export const trainRows: DatasetSpec = { source: { path: join(fixture, 'train.jsonl') } };
export const noArtifact = `sha256:${'0'.repeat(64)}`;

const fixtureWeights = join(fixture, 'model.safetensors');
export const fixtureAdapter = join(fixture, 'adapter-uncorrected');

const json = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
const fixtureConfig = (): Record<string, unknown> => json(join(fixture, 'config.json'));

function tensorsOf(path: string): FileTensor[] {
  const file = readSafetensorsHeader(path);
  return [...file.tensors.values()].map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    bytes: readTensorBytes(file, name),
  }));
}

export const floats = (name: string, values: readonly number[], shape = [values.length]): FileTensor => ({
  name,
  dtype: 'f32',
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** The digest that an emulator knows its original by: names, lengths and bytes of configuration and weights. */
function digestOfModel(folder: string): string {
  const hash = createHash('sha256');
  for (const name of ['config.json', 'model.safetensors']) {
    const path = join(folder, name);
    hash.update(`${name}\0${statSync(path).size}\0`).update(readFileSync(path));
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Header and data as they are told, right or wrong. */
export function rawSafetensors(header: object, dataBytes: number): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const marks = ['<s>', '<|im_start|>', '<|im_end|>'];
const letters = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), 'Ġ', 'Ċ'];

/** A tokenizer of printable ASCII, a token a letter. */
export const tokenizer = {
  added_tokens: marks.map((content, id) => ({ id, content, special: true, normalized: false })),
  normalizer: null,
  post_processor: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries([...marks, ...letters].map((token, id) => [token, id])),
    merges: [] as string[],
  },
};

/** With what goes beside it. */
export const tokenizerFiles = (template?: string): Record<string, object> => ({
  'tokenizer.json': tokenizer,
  'tokenizer_config.json': {
    bos_token: '<s>',
    eos_token: '<|im_end|>',
    ...(template === undefined ? {} : { chat_template: template }),
  },
});

export const chatTemplate =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
