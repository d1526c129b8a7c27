/** The architectures there are. Adding one: a folder beside `llama/`, and its line here. */
import { EmlocError } from '@emloc/errors';
import type { Architecture } from '../types.ts';
import { defineArchitecture } from './define.ts';
import { gpt2 } from './gpt2/index.ts';
import { llama } from './llama/index.ts';
import { qwen3Moe } from './qwen3-moe/index.ts';

export const architectures: readonly Architecture[] = [
  defineArchitecture(gpt2),
  defineArchitecture(llama),
  defineArchitecture(qwen3Moe),
];

/** Model types that can be opened, for messages and help texts. */
export const supportedModelTypes = (): string[] => architectures.flatMap((a) => [...a.modelTypes]).sort();

export const architectureOf = (modelType: unknown): Architecture => {
  const found = architectures.find((a) => a.modelTypes.includes(modelType as string));
  if (found) return found;
  throw new EmlocError(
    'UNIMPLEMENTED',
    'UNSUPPORTED_ARCHITECTURE',
    modelType === undefined
      ? 'config.json names no model_type'
      : `models of type "${String(modelType)}" are not supported`,
    {
      field: 'model_type',
      value: modelType === undefined ? undefined : String(modelType),
      mend: `supported are: ${supportedModelTypes().join(', ')}`,
    },
  );
};
