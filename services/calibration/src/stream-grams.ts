/** The Grams of a model as messages of emloc.calibration.v1, written no faster than they are read. */
import { calibrateLayers, gramTensorName } from '@emloc/emloc';
import { startEngine } from '@emloc/engine';
import { messageCodec } from '@emloc/mesh/contracts';
import { openWeights } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import { assertWithinBudget, framesOf, lap, predictionOf, UsageMeter } from '@emloc/service-kit/worker';
import { mendCalibration, prepareCalibration } from './prepare.ts';
import type { CalibrationRequest } from './requests.ts';

export async function streamGrams(request: CalibrationRequest, context: WorkerContext): Promise<object> {
  const { model, linears, rows, tokens, predicted } = await prepareCalibration(request);
  const prediction = predictionOf(predicted, request.memoryBudgetBytes);
  assertWithinBudget(prediction, mendCalibration);
  using meter = new UsageMeter();
  lap('prepare', { 'emloc.memory.predicted_bytes': prediction.peakResidentBytes });
  await startEngine();
  lap('start engine');
  let sentBytes = 0;
  const codec = messageCodec('emloc.calibration.v1.CalibrateResponse');
  const send = (message: object): Promise<void> => {
    const bytes = codec.encode(message);
    sentBytes += bytes.byteLength;
    return context.output.write(bytes);
  };
  const source = openWeights(model, { mode: 'streamed' });
  try {
    await send({
      plan: {
        gramOf: Object.fromEntries(
          linears.map(({ module, inputGroup }) => [module, gramTensorName(inputGroup)]),
        ),
        layers: model.config.numLayers,
        samples: rows.length,
        tokens,
        modelDigest: await model.digest(),
        predictedPeakBytes: prediction.peakResidentBytes,
      },
    });
    for await (const { layer, grams, rows: seen } of calibrateLayers(source, rows, {
      signal: context.signal,
    })) {
      for (const [group, gram] of grams) {
        for (const frame of framesOf(gramTensorName(group), gram)) await send({ frame });
      }
      const named = [...seen].map(([group, count]) => [gramTensorName(group), count] as const);
      await send({ layer: { layer, rows: Object.fromEntries(named) } });
      lap('stream Gram matrices', { 'emloc.layer': layer, 'emloc.tensor.bytes': sentBytes });
      sentBytes = 0;
    }
    await send({ finished: { usage: meter.read() } });
  } finally {
    source.close();
  }
  return {};
}
