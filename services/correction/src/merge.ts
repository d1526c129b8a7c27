/** An operation that merges an adapter into its model. */
import { join } from 'node:path';
import {
  adaptedLinears,
  decoderLinears,
  loadAdapter,
  mergeModel,
  openAdapter,
  predictPeak,
} from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { openModel, type ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  openStore,
  performStage,
  ProgressReporter,
  toReference,
  type OperationResult,
} from '@emloc/service-kit/worker';
import type { MergeRequest } from './requests.ts';

export async function mergeAdapter(request: MergeRequest, context: WorkerContext): Promise<OperationResult> {
  const store = openStore();
  const model = openModel(request.model);
  refuseEmulator(model);
  const directory = openAdapter(request.adapter);
  const linears = decoderLinears(model);
  adaptedLinears(directory, linears);
  const { r, targetModules } = directory.settings;
  return performStage(context, {
    kind: 'merge',
    store,
    inputs: { model: await digestOf(store, model.dir), adapter: await digestOf(store, directory.dir) },
    predicted: predictPeak('merge', {
      model,
      convertsWeights: halfPrecision() === 'cast',
      microBatchTokens: 0,
      sequenceTokens: 0,
      lora: { r, targetModules },
    }),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => 'this model needs that much for its largest linear: raise the budget',
    async work() {
      using adapter = loadAdapter(directory, linears);
      const progress = new ProgressReporter(context, 'merge', model.tensors.size);
      const out = join(context.outputDir, 'model');
      await mergeModel({
        model,
        adapter,
        out,
        overwrite: true,
        signal: context.signal,
        onProgress: ({ done }) => progress.report(done),
      });
      return { model: toReference(await store.adopt(out)) };
    },
  });
}

function refuseEmulator({ dir, emulator }: ModelDirectory): void {
  if (emulator === undefined) return;
  throw new EmlocError('INVALID_ARGUMENT', 'IS_AN_EMULATOR', `${dir} is an emulator`, {
    field: 'model',
    value: dir,
    mend: `merge into its original, ${emulator.original.name}`,
  });
}
