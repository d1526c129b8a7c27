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
import type { WeightsRequest } from './requests.ts';

export interface CheckedWeights {
  readonly model: ModelDirectory;
  readonly directory: AdapterDirectory | undefined;
}

/** No TensorFlow yet. */
export function checkWeights({ weights, adapter }: WeightsRequest): CheckedWeights {
  const model = openModel(weights.path);
  if ((model.emulator !== undefined) !== (weights.kind === 'emulator')) {
    const isEmulator = model.emulator !== undefined;
    throw new EmlocError(
      'INVALID_ARGUMENT',
      isEmulator ? 'IS_AN_EMULATOR' : 'NOT_AN_EMULATOR',
      `${model.dir} ${isEmulator ? 'is an emulator' : 'is no emulator'}`,
      { field: weights.kind, value: model.dir, mend: `name it as the ${isEmulator ? 'emulator' : 'model'}` },
    );
  }
  const directory = adapter === undefined ? undefined : openAdapter(adapter);
  if (directory !== undefined) adaptedLinears(directory, decoderLinears(model));
  return { model, directory };
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
