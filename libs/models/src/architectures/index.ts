/** The architectures there are. Adding one: a folder beside `llama/`, and its line here. */
import { EmlocError } from '@emloc/errors';
import type { Architecture } from '../types.ts';
import { defineArchitecture } from './define.ts';
import { gemma3 } from './gemma3/index.ts';
import { gpt2 } from './gpt2/index.ts';
import { llama } from './llama/index.ts';
import { mistral } from './mistral/index.ts';
import { mixtral } from './mixtral/index.ts';
import { phi3 } from './phi3/index.ts';
import { qwen2 } from './qwen2/index.ts';
import { qwen3 } from './qwen3/index.ts';
import { qwen3Moe } from './qwen3-moe/index.ts';

export const architectures: readonly Architecture[] = [
  defineArchitecture(gemma3),
  defineArchitecture(gpt2),
  defineArchitecture(llama),
  defineArchitecture(mistral),
  defineArchitecture(mixtral),
  defineArchitecture(phi3),
  defineArchitecture(qwen2),
  defineArchitecture(qwen3),
  defineArchitecture(qwen3Moe),
];

/** Relatives of supported models, and how their text model can be had. */
const relatives: Readonly<Record<string, string>> = {
  gemma3:
    'it sees images; save its text model alone (Gemma3ForCausalLM, model_type gemma3_text), or use gemma-3-270m or gemma-3-1b',
};

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
      mend: relatives[String(modelType)] ?? `supported are: ${supportedModelTypes().join(', ')}`,
    },
  );
};
