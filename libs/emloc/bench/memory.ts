/**
 * Predicted and measured peak of one stage on a model directory, in this process.
 *
 *   npx tsx libs/emloc/bench/memory.ts --model DIR --stage inference|calibration|refinement [--rows 4] [--tokens 256]
 *
 * Rows are random ids; refinement is two steps with an adapter of rank 8 on all linears, the weights streamed.
 */
import { parseArgs } from 'node:util';
import { halfPrecision, startEngine } from '@emloc/engine';
import { openModel, openWeights, type TokenRow } from '@emloc/models';
import {
  calibrateLayers,
  decoderLinears,
  LoraAdapter,
  measureInference,
  measurePeak,
  parseTrainingOptions,
  predictPeak,
  train,
} from '../src/index.ts';

const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: '' },
    stage: { type: 'string', default: 'inference' },
    rows: { type: 'string', default: '4' },
    tokens: { type: 'string', default: '256' },
  },
});
const stage = args.stage as 'inference' | 'calibration' | 'refinement';
const [rowCount, tokens] = [Number(args.rows), Number(args.tokens)];

await startEngine();
const model = openModel(args.model);
let state = 1;
const random = (): number => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % model.config.vocabSize;
const rows = Array.from({ length: rowCount }, (): TokenRow => {
  const inputIds = Array.from({ length: tokens }, random);
  return { inputIds, labels: inputIds };
});
const lora = { r: 8, targetModules: 'all-linear' };
const resident = stage === 'inference';
const source = openWeights(model, { mode: resident ? 'resident' : 'streamed' });

async function work(): Promise<void> {
  if (stage === 'calibration') {
    for await (const _ of calibrateLayers(source, rows));
    return;
  }
  const settings = { ...lora, loraAlpha: 8, loraDropout: 0 };
  using adapter = LoraAdapter.initialize(decoderLinears(model), settings, 1);
  const options = parseTrainingOptions({ max_steps: 2, learning_rate: 1e-4 });
  await train({ source, adapter, plan: { stepsPerEpoch: 1, batchAt: () => [rows] }, options });
}

const { peakBytes } =
  stage === 'inference' ? await measureInference(source, [rows]) : await measurePeak(work);
source.close();
const { totalBytes, parts } = predictPeak(stage, {
  model,
  convertsWeights: halfPrecision() === 'cast',
  microBatchTokens: rowCount * tokens,
  sequenceTokens: tokens,
  calibrationTokens: rowCount * tokens,
  resident,
  lora,
});
const mega = (bytes: number): number => Math.round(bytes / 1e6);
console.log(
  JSON.stringify({
    model: args.model,
    stage,
    measured: mega(peakBytes),
    predicted: mega(totalBytes),
    ratio: Number((totalBytes / peakBytes).toFixed(2)),
    parts: Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, mega(bytes)])),
  }),
);
