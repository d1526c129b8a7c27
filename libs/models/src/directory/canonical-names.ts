/**
 * Checkpoints name the same tensors differently: one saved from the model without its head lacks the prefix
 * (`layers.0.…`), one saved from inside a wrapper has it doubled (`model.model.layers.0.…`, `model.lm_head.weight`).
 * Here, and only here, they get the names that the architecture expects.
 */
import { EmlocError } from '@emloc/errors';
import { basename } from 'node:path';
import type { StoredTensor } from '../types.ts';

/** `isKnown`: does the architecture expect a tensor of this name? Unknown tensors keep their names. */
export const canonicalNames = (
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  isKnown: (name: string) => boolean,
): ReadonlyMap<string, StoredTensor> => {
  const named = new Map<string, StoredTensor>();
  for (const [name, stored] of tensors) {
    const canonical = canonicalName(name, prefix, isKnown);
    const before = named.get(canonical);
    if (before !== undefined) throw twice(canonical, before, stored);
    named.set(canonical, stored);
  }
  return named;
};

const canonicalName = (name: string, prefix: string, isKnown: (name: string) => boolean): string => {
  const candidates = [name, `${prefix}${name}`];
  for (let rest = name; rest.startsWith(prefix);) candidates.push((rest = rest.slice(prefix.length)));
  return candidates.find(isKnown) ?? name;
};

const twice = (name: string, a: StoredTensor, b: StoredTensor): EmlocError =>
  new EmlocError(
    'INVALID_ARGUMENT',
    'DUPLICATE_TENSOR',
    `${name} is there twice: as ${a.name} in ${basename(a.file)} and as ${b.name} in ${basename(b.file)}`,
    { field: name, value: b.name, mend: 'remove one of them, or download the model again' },
  );
