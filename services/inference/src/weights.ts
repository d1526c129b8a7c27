/** Model or emulator, with or without an adapter: checked from the headers, then loaded. */
import {
  adaptedLinears,
  decoderLinears,
  loadAdapter,
  openAdapter,
  type AdapterDirectory,
  type LoraAdapter,
} from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import { openModel, openWeights, type ModelDirectory, type WeightSource } from '@emloc/models';
import type { WeightsOptions, WeightsRequest } from './requests.ts';

export interface CheckedWeights {
  readonly model: ModelDirectory;
  readonly directory: AdapterDirectory | undefined;
}

/** No TensorFlow yet. */
export function checkWeights({ weights, adapter }: WeightsRequest): CheckedWeights {
  const model = checkModel(weights);
  return { model, directory: adapter === undefined ? undefined : checkAdapter(adapter, model) };
}

/** A model where a model is named, an emulator where an emulator is. */
export function checkModel({ path, kind }: WeightsOptions['weights']): ModelDirectory {
  const model = openModel(path);
  const isEmulator = model.emulator !== undefined;
  if (isEmulator === (kind === 'emulator')) return model;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    isEmulator ? 'IS_AN_EMULATOR' : 'NOT_AN_EMULATOR',
    `${model.dir} ${isEmulator ? 'is an emulator' : 'is no emulator'}`,
    { field: kind, value: model.dir, mend: `name it as the ${isEmulator ? 'emulator' : 'model'}` },
  );
}

/** An adapter whose factors have the model's shapes. */
export function checkAdapter(path: string, model: ModelDirectory): AdapterDirectory {
  const directory = openAdapter(path);
  adaptedLinears(directory, decoderLinears(model));
  return directory;
}

/** Runs `use` on the loaded weights and ends them. */
export async function withWeights<T>(
  { model, directory }: CheckedWeights,
  { weightLoading, precision }: WeightsRequest,
  use: (source: WeightSource, adapter: LoraAdapter | undefined) => Promise<T>,
): Promise<T> {
  const source = openWeights(model, { mode: weightLoading, computeDtype: precision });
  const adapter = directory && loadAdapter(directory, decoderLinears(model));
  try {
    return await use(source, adapter);
  } finally {
    adapter?.dispose();
    source.close();
  }
}
