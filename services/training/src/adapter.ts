/** The adapter that a training begins with, and what is known about where it comes from. */
import {
  assertAdapterAgrees,
  assertTrainable,
  decoderLinears,
  LoraAdapter,
  loadAdapter,
  openAdapter,
  readCheckpoint,
  selectTargets,
  type AdapterHistory,
  type Checkpoint,
  type Moments,
  type TrainingOptions,
} from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import type { TrainingRequest } from './requests.ts';

/** Refuses what does not fit, before the engine is started; gives the options as the adapter to start from has them. */
export function checkAdapter(
  request: Pick<TrainingRequest, 'options' | 'adapterInit' | 'givesLora'>,
  model: ModelDirectory,
): TrainingOptions {
  const { options, adapterInit } = request;
  const linears = decoderLinears(model);
  if (adapterInit === undefined) {
    selectTargets(linears, options.targetModules);
    return options;
  }
  const adapter = openAdapter(adapterInit);
  assertTrainable(adapter);
  const { r, loraAlpha, loraDropout, targetModules } = adapter.settings;
  if (!request.givesLora) {
    const targets = typeof targetModules === 'string' ? targetModules : [...targetModules];
    return { ...options, loraR: r, loraAlpha, loraDropout, targetModules: targets };
  }
  assertAdapterAgrees(adapter, linears, options);
  return options;
}

export function beginAdapter(
  request: TrainingRequest,
  model: ModelDirectory,
  options: TrainingOptions,
): LoraAdapter {
  const linears = decoderLinears(model);
  if (request.adapterInit !== undefined) return loadAdapter(openAdapter(request.adapterInit), linears);
  const { loraR: r, loraAlpha, loraDropout, targetModules, seed } = options;
  const settings = { r, loraAlpha, loraDropout, targetModules };
  return LoraAdapter.initialize(selectTargets(linears, targetModules), settings, seed);
}

/** Adam's moments of the training before, which must be of the same factors. */
export function beginMoments(request: TrainingRequest, adapter: LoraAdapter): Moments | undefined {
  if (request.optimizerInit === undefined) return undefined;
  const { updates, firstMoment: first, secondMoment: second, modules } = readMoments(request.optimizerInit);
  const own = adapter.modules.map(({ module }) => module);
  if (first.length === adapter.layout.size && modules.join() === own.join())
    return { updates, first, second };
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'OPTIMIZER_MISMATCH',
    'the optimizer state is of another adapter',
    {
      field: 'optimizer_init',
      value: `${first.length} numbers, not ${adapter.layout.size}`,
      mend: 'give the state that came with adapter_init, or none',
    },
  );
}

/** A checkpoint that was given, not this training's own: the request's field is at fault where it is none. */
function readMoments(path: string): Checkpoint {
  try {
    return readCheckpoint(path);
  } catch (error) {
    throw EmlocError.from(error).with({
      field: 'optimizer_init',
      mend: 'give the optimizer state that a training wrote, or none',
    });
  }
}

/** What the trained adapter remembers. Steps on the original are exact: they need no correction. */
export async function historyOf(
  request: TrainingRequest,
  model: ModelDirectory,
  steps: number,
): Promise<AdapterHistory> {
  if (model.emulator !== undefined) {
    return { original: model.emulator.original.digest, emulator: await model.digest() };
  }
  const before = request.adapterInit === undefined ? {} : openAdapter(request.adapterInit).history;
  return { ...before, original: await model.digest(), refinedSteps: (before.refinedSteps ?? 0) + steps };
}
