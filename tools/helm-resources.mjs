#!/usr/bin/env node
/**
 * The memory that the services of the chart need for a model, as the planner predicts it, as values for helm:
 *
 *   node --import tsx tools/helm-resources.mjs --model DIR > resources.yaml
 *   helm upgrade emloc deploy/helm/emloc --values resources.yaml
 *
 * Of the model only its config.json is read. Requests are the predicted peak of the largest work that a service does, with
 * its weights resident, and what the service itself takes; limits leave a quarter above.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { predictPeak } from '@emloc/emloc';
import { architectureOf } from '@emloc/models';

const mebi = 2 ** 20;
/** A service process (80 to 110 MB resident) and its warm worker, which holds the runtime (some 300 MB). */
const ownBytes = 410 * mebi;
/** Kubernetes' numbers are for people: whole quarters of a gibibyte. */
const grainBytes = 256 * mebi;
const aboveRequest = 1.25;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    'micro-batch-tokens': { type: 'string', default: '2048' },
    'sequence-tokens': { type: 'string', default: '1024' },
    'calibration-tokens': { type: 'string', default: '65536' },
    'cache-bytes': { type: 'string', default: String(256 * mebi) },
    ratio: { type: 'string', default: '0.5' },
    'lora-r': { type: 'string', default: '16' },
    operations: { type: 'string', default: '1' },
  },
});
if (values.model === undefined) {
  console.error('usage: node --import tsx tools/helm-resources.mjs --model DIR [--micro-batch-tokens N] …');
  process.exit(2);
}

const raw = JSON.parse(readFileSync(join(values.model, 'config.json'), 'utf8'));
const architecture = architectureOf(raw.model_type);
const spec = {
  model: { architecture, config: architecture.parseConfig(raw) },
  // Processors without bf16 arithmetic need more: as if every one were such.
  convertsWeights: true,
  microBatchTokens: number('micro-batch-tokens'),
  sequenceTokens: number('sequence-tokens'),
  calibrationTokens: number('calibration-tokens'),
  keyValueCacheBytes: number('cache-bytes'),
  lora: { r: number('lora-r'), targetModules: 'all-linear' },
  resident: true,
};
const ratio = number('ratio');

/** What a service may have to do; of several the largest counts. */
const work = {
  calibration: { calibration: {} },
  compression: { compression: {} },
  training: { training: { ratio }, refinement: {} },
  correction: { correction: {}, selection: {}, merge: {} },
  inference: { inference: {}, generation: {}, selection: {} },
};

console.log(`# ${process.argv.slice(2).join(' ')}\nservices:`);
for (const [service, stages] of Object.entries(work)) {
  const peaks = Object.entries(stages).map(
    ([stage, more]) => predictPeak(stage, { ...spec, ...more }).totalBytes,
  );
  const bytes = number('operations') * Math.max(...peaks) + ownBytes;
  const [request, limit] = [bytes, bytes * aboveRequest].map((n) => `${Math.ceil(n / grainBytes) * 256}Mi`);
  console.log(`  ${service}:`);
  console.log(`    resources: { requests: { memory: ${request} }, limits: { memory: ${limit} } }`);
}

function number(name) {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`error: --${name} must be a number above 0, not ${values[name]}`);
  process.exit(2);
}
