/** An operation that writes all Grams of a model into one artifact. */
import { join } from 'node:path';
import { calibrateLayers, writeGramFile } from '@emloc/emloc';
import { openWeights } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  openStore,
  performStage,
  ProgressReporter,
  toReference,
  type OperationResult,
} from '@emloc/service-kit/worker';
import { mendCalibration, prepareCalibration } from './prepare.ts';
import type { CalibrationRequest } from './requests.ts';

export async function calibrateToFile(
  request: CalibrationRequest,
  context: WorkerContext,
): Promise<OperationResult> {
  const store = openStore();
  const { model, linears, rows, tokens, predicted } = await prepareCalibration(request);
  const { samples, seed, shard, dataset } = request;
  return performStage(context, {
    kind: 'calibration',
    store,
    inputs: {
      model: await digestOf(store, model.dir),
      dataset: { ...dataset, path: await digestOf(store, dataset.path) },
      samples,
      seed,
      shard,
    },
    predicted,
    budgetBytes: request.memoryBudgetBytes,
    mend: mendCalibration,
    async work() {
      const source = openWeights(model, { mode: 'streamed' });
      const progress = new ProgressReporter(context, 'calibrate', model.config.numLayers);
      const path = join(context.outputDir, 'statistics.safetensors');
      try {
        const layers = calibrateLayers(source, rows, {
          signal: context.signal,
          onProgress: ({ layer }) => progress.report(layer + 1),
        });
        await writeGramFile(path, linears, layers, {
          samples: rows.length,
          tokens,
          model: await model.digest(),
        });
      } finally {
        source.close();
      }
      // Nobody writes to it again: no copy.
      const statistics = toReference(await store.putFile(path, { transfer: 'link' }));
      return { statistics, samples: rows.length, tokens };
    },
  });
}
