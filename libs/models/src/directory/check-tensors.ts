/** Does a checkpoint hold what its config.json promises? Names, shapes and element types, from the headers alone. */
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { basename } from 'node:path';
import type { LinearSpec, StoredTensor, TensorSpec } from '../types.ts';
import { moduleOf } from './module-of.ts';

const floats: readonly DType[] = ['f64', 'f32', 'f16', 'bf16'];
const text = (shape: readonly (number | string)[]): string => `[${shape.join(', ')}]`;

/** What factors in a weight's place must multiply to. */
export type FactorShape = Pick<LinearSpec, 'inFeatures' | 'outFeatures'>;

/**
 * Checks every expected tensor; where `factorsOf` gives a shape, `<module>.u` [out, r] and `<module>.v` [r, in] may stand in
 * place of `<module>.weight`. Returns the modules so stored.
 */
export const checkTensors = (
  expected: readonly TensorSpec[],
  tensors: ReadonlyMap<string, StoredTensor>,
  factorsOf: (name: string) => FactorShape | undefined,
  /** The head's name, which a model that ties it does not have. */
  head?: string,
): Set<string> => {
  const factored = new Set<string>();
  for (const spec of expected) {
    const found = tensors.get(spec.name);
    if (found !== undefined) {
      checkOne(spec.name, found, spec.shape);
      continue;
    }
    const module = moduleOf(spec.name);
    const [u, v] = [tensors.get(`${module}.u`), tensors.get(`${module}.v`)];
    const factors = factorsOf(spec.name);
    if (u === undefined || v === undefined || factors === undefined) throw missing(spec, tensors, head);
    const rank = u.shape[1] ?? 0;
    checkOne(`${module}.u`, u, [factors.outFeatures, Math.max(1, rank)]);
    checkOne(`${module}.v`, v, [Math.max(1, rank), factors.inFeatures]);
    factored.add(module);
  }
  return factored;
};

const checkOne = (name: string, found: StoredTensor, shape: readonly number[]): void => {
  if (!floats.includes(found.dtype))
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'UNSUPPORTED_DTYPE',
      `${name} holds ${found.dtype} elements, as quantized checkpoints do; supported are ${floats.join(', ')}`,
      { field: name, value: found.dtype, mend: 'convert to bf16 first' },
    );
  if (found.shape.length !== shape.length || found.shape.some((d, i) => d !== shape[i]))
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_TENSOR_SHAPE',
      `${name} has shape ${text(found.shape)}, but config.json promises ${text(shape)}`,
      {
        field: name,
        value: text(found.shape),
        mend: `use the config.json that belongs to ${basename(found.file)}`,
      },
    );
};

const missing = (
  spec: TensorSpec,
  tensors: ReadonlyMap<string, StoredTensor>,
  head: string | undefined,
): EmlocError => {
  const module = moduleOf(spec.name);
  const hint = tensors.has(`${module}.u`)
    ? 'the directory holds factors but no emloc.json: make the emulator anew'
    : spec.name === head
      ? 'set tie_word_embeddings to true in config.json, if the head is the embedding; else download the model again'
      : 'download the model again, or use the config.json that belongs to it';
  return new EmlocError(
    'INVALID_ARGUMENT',
    'MISSING_TENSOR',
    `tensor ${spec.name} of shape ${text(spec.shape)} is missing`,
    { field: spec.name, value: 'absent', mend: hint },
  );
};
