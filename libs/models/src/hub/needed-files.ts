/** Which files of a repository a model or an adapter is: one format of weights, not every one that lies beside it. */
import { EmlocError } from '@emloc/errors';
import { isModelFile } from '../directory/model-files.ts';

export type HubKind = 'model' | 'adapter';

export const weightIndex = 'model.safetensors.index.json';
const weightFile = 'model.safetensors';

const configFiles = { model: 'config.json', adapter: 'adapter_config.json' } as const;
const isSmall: Readonly<Record<HubKind, (name: string) => boolean>> = {
  model: isModelFile,
  adapter: (name) => [configFiles.adapter, 'README.md'].includes(name),
};

/** What says what the repository holds, and has to be read before its weights are fetched. */
export function smallFiles(kind: HubKind, names: readonly string[], repo: string): string[] {
  const first = configFiles[kind];
  if (names.includes(first)) return names.filter(isSmall[kind]);
  const isAdapter = names.includes(configFiles.adapter);
  throw new EmlocError('INVALID_ARGUMENT', 'NOT_A_MODEL', `${repo} has no ${first}`, {
    field: 'repository',
    value: repo,
    mend:
      kind === 'model' && isAdapter
        ? 'it is an adapter: name its base model as the model, and this as the adapter'
        : mendOf(names),
  });
}

/** The weights: one file, or its index and the shards that the index names. `readIndex` is called where there are shards. */
export async function weightFiles(
  kind: HubKind,
  names: readonly string[],
  repo: string,
  readIndex: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<string[]> {
  const single = kind === 'adapter' ? 'adapter_model.safetensors' : weightFile;
  // As transformers does: one whole file wins over an index that may be left over.
  if (names.includes(single)) return [single];
  if (kind === 'model' && names.includes(weightIndex)) {
    const { weight_map: map } = await readIndex();
    const shards = [...new Set(Object.values((map ?? {}) as Record<string, unknown>).map(String))].sort();
    return [weightIndex, ...shards];
  }
  throw new EmlocError('NOT_FOUND', 'NO_WEIGHTS', `${repo} has no ${single}${others(names)}`, {
    field: 'repository',
    value: repo,
    mend: mendOf(names),
  });
}

const others = (names: readonly string[]): string => {
  const found = names.filter((name) => /\.(bin|pt|pth|h5|msgpack|onnx|gguf)$/.test(name));
  return found.length === 0 ? '' : ` (only ${found.slice(0, 3).join(', ')})`;
};

const mendOf = (names: readonly string[]): string => {
  if (names.some((name) => name.endsWith('.gguf')))
    return 'download one of its GGUF files and convert it with emloc models import';
  if (names.some((name) => name.endsWith('.bin')))
    return 'choose a revision or a repository with safetensors, or convert it with transformers (save_pretrained)';
  return `choose a repository with a model in safetensors; this one has ${names.slice(0, 8).join(', ') || 'nothing'}`;
};
