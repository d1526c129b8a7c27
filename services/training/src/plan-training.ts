/** Says what a training would be, from configuration and rows alone. */
import { decoderLinears, loraLayout, predictPeak, selectTargets } from '@emloc/emloc';
import { openModel } from '@emloc/models';
import { digestOf, loadRows, openStore } from '@emloc/service-kit/worker';
import { checkAdapter } from './adapter.ts';
import { batchesOf } from './batches.ts';
import { memorySpec, predictTraining } from './predict.ts';
import type { PlanRequest } from './requests.ts';

/** Fields as in emloc.training.v1.PlanTrainingResponse. */
export async function planTraining(request: PlanRequest): Promise<object> {
  const store = openStore();
  const { dataset, evalDataset } = request;
  const model = openModel(request.model);
  const options = checkAdapter(request, model);
  const targets = selectTargets(decoderLinears(model), options.targetModules);
  using training = await loadRows(dataset, model, { labels: 'every' });
  using evaluation =
    evalDataset === undefined ? undefined : await loadRows(evalDataset, model, { labels: 'some' });
  const batches = batchesOf(training, options);
  const spec = memorySpec(model, options, batches);
  return {
    rows: training.length,
    tokens: training.tokens,
    longestRow: training.longest,
    evalRows: evaluation?.length ?? 0,
    stepsPerEpoch: batches.plan.stepsPerEpoch,
    totalSteps: batches.totalSteps,
    adapterParameters: loraLayout(targets, options.loraR).size,
    residentPeakBytes: Math.round(predictTraining(spec, 'resident').totalBytes),
    streamedPeakBytes: Math.round(predictTraining(spec, 'streamed').totalBytes),
    inferencePeakBytes: Math.round(predictPeak('inference', spec).totalBytes),
    modelDigest: await model.digest(),
    datasetDigest: await digestOf(store, dataset.path),
    evalDatasetDigest: evalDataset === undefined ? '' : await digestOf(store, evalDataset.path),
  };
}
