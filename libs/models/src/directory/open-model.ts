/**
 * Opens a Hugging Face model directory or an emulator directory: config.json, the headers of the safetensors files,
 * and whether they and the tokenizer agree. No TensorFlow, no weight is read, so every complaint comes before any work.
 */
import { EmlocError } from '@emloc/errors';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { architectureOf } from '../architectures/index.ts';
import { checkVocabulary } from '../tokenizer/check-vocabulary.ts';
import type { LinearSpec, ModelDirectory, ModelOf, TensorSpec } from '../types.ts';
import { canonicalNames } from './canonical-names.ts';
import { checkTensors } from './check-tensors.ts';
import { checkTiedHead } from './check-tied-head.ts';
import { digestFiles } from './digest.ts';
import { emulatorFile, readEmulatorInfo } from './emulator-info.ts';
import { moduleOf } from './module-of.ts';
import { readJsonObject } from './read-json.ts';
import { refuseQuantizedConfig, refuseQuantizedTensors } from './refuse-quantized.ts';
import { readWeightFiles } from './weight-files.ts';

export const openModel = (path: string): ModelDirectory => {
  const dir = resolve(path);
  checkDirectory(dir, path);
  const raw = readJsonObject(join(dir, 'config.json'));
  const architecture = architectureOf(raw['model_type']);
  refuseQuantizedConfig(raw);
  const hinted = architecture.parseConfig(raw);
  const emulator = existsSync(join(dir, emulatorFile)) ? readEmulatorInfo(dir) : undefined;
  const linears = linearsByModule({ config: hinted, architecture });
  const expected = architecture.expectedTensors(hinted);
  const { files, tensors: stored } = readWeightFiles(dir);
  refuseQuantizedTensors(stored);
  const tensors = canonicalNames(stored, architecture.namePrefix, isExpected(expected, linears));
  const factored = checkTensors(
    expected,
    tensors,
    (name) => (emulator === undefined ? undefined : linears.get(moduleOf(name))),
    architecture.tensorNames.head,
  );
  const { embedding, head } = architecture.tensorNames;
  const ownHead = hinted.tieWordEmbeddings ? tensors.get(head) : undefined;
  if (ownHead !== undefined) checkTiedHead(tensors.get(embedding)!, ownHead);
  checkVocabulary(dir, hinted.vocabSize);

  const dtype = tensors.get(embedding)?.dtype ?? hinted.dtype;
  let digest: Promise<string> | undefined;
  return {
    dir,
    config: { ...hinted, dtype },
    architecture,
    tensors,
    weightFiles: files,
    emulator,
    isFactored: (module) => factored.has(module),
    isTransposed: (module) => linears.get(module)?.transposed === true,
    weightBytes: [...tensors.values()].reduce((sum, t) => sum + t.end - t.begin, 0),
    digest: () => (digest ??= digestFiles([join(dir, 'config.json'), ...files])),
  };
};

const linearsByModule = ({ config, architecture }: ModelOf): ReadonlyMap<string, LinearSpec> => {
  const linears = new Map<string, LinearSpec>();
  for (let layer = 0; layer < config.numLayers; layer++)
    for (const linear of architecture.linears(config, layer))
      linears.set(architecture.moduleName(layer, linear.name), linear);
  return linears;
};

/** Names of tensors that the model has, or an emulator of it in place of a weight. */
const isExpected = (
  expected: readonly TensorSpec[],
  linears: ReadonlyMap<string, LinearSpec>,
): ((name: string) => boolean) => {
  const names = new Set(expected.map(({ name }) => name));
  return (name) => names.has(name) || (/\.[uv]$/.test(name) && linears.has(name.slice(0, -2)));
};

const checkDirectory = (dir: string, path: string): void => {
  const bad = (reason: string, message: string, mend: string): EmlocError =>
    new EmlocError(reason === 'MODEL_NOT_FOUND' ? 'NOT_FOUND' : 'INVALID_ARGUMENT', reason, message, {
      field: 'model',
      value: path,
      mend,
    });
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found === undefined) throw bad('MODEL_NOT_FOUND', 'no such model directory', 'check the path');
  if (!found.isDirectory())
    throw bad(
      'NOT_A_MODEL_DIRECTORY',
      'this is a file, not a model directory',
      path.endsWith('.gguf')
        ? 'convert it with `emloc models import`'
        : 'name the directory that holds config.json',
    );
  if (existsSync(join(dir, 'config.json'))) return;
  if (existsSync(join(dir, 'adapter_config.json')))
    throw bad(
      'NOT_A_MODEL_DIRECTORY',
      'this directory holds an adapter only, not a model',
      'name its base model as the model, and this directory as the adapter',
    );
  throw bad('NOT_A_MODEL_DIRECTORY', 'there is no config.json in this directory', 'name a model directory');
};
