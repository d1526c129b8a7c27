/** Which GGUF architectures are imported. Adding one is adding a file that fits `GgufArchitecture`, and its line here. */
import { unsupported } from '../errors.ts';
import type { GgufFile, GgufTensor } from '../read-gguf.ts';
import { gemma3 } from './gemma3.ts';
import { llama } from './llama.ts';
import { qwen2, qwen3 } from './qwen.ts';

/** Where a tensor goes, and in which order of rows. */
export interface TensorTarget {
  /** Hugging Face's name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Rows that belong together: whole groups are read at once, and `rowOf` stays inside a group. Default 1. */
  readonly groupRows?: number;
  /** Which row of the GGUF group is row `row` of the result. */
  readonly rowOf?: (row: number) => number;
  /** Added to every number. */
  readonly add?: number;
}

export interface GgufArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /** config.json, but for the fields of the tokenizer and the dtype. */
  config(file: GgufFile, fileName: string): Record<string, unknown>;
  /** Undefined: the tensor is not stored, because the config says it all. */
  target(tensor: GgufTensor, file: GgufFile, fileName: string): TensorTarget | undefined;
}

const architectures: readonly GgufArchitecture[] = [llama, qwen2, qwen3, gemma3];

export function ggufArchitecture(file: GgufFile, fileName: string): GgufArchitecture {
  const name = file.metadata.text('general.architecture');
  const found = architectures.find((architecture) => architecture.name === name);
  if (found) return found;
  const supported = architectures.map((architecture) => architecture.name).join(', ');
  throw unsupported(
    fileName,
    `has the architecture ${name}`,
    'general.architecture',
    name,
    `supported: ${supported}`,
  );
}
