/**
 * Time and memory of a whole optimizer step with an adapter, on a model or an emulator directory.
 *
 *   npx tsx libs/emloc/bench/training-step.ts --weights DIR [--mode streamed] [--rows 8] [--micro 2] [--tokens 110]
 *     [--spread 40] [--prefix 40] [--labels 3] [--steps 4]
 *
 * Rows are random ids of `tokens` ± `spread` / 2 with a common beginning of `prefix` ids, as prompts with one instruction have.
 */
import { liveTensors, readMemory, startEngine } from '@emloc/engine';
import { openModel, openWeights, type TokenRow } from '@emloc/models';
import { parseArgs } from 'node:util';
import { decoderLinears, LoraAdapter, parseTrainingOptions, train } from '../src/index.ts';

const { values: args } = parseArgs({
  options: {
    weights: { type: 'string' },
    mode: { type: 'string', default: 'streamed' },
    rows: { type: 'string', default: '8' },
    micro: { type: 'string', default: '2' },
    tokens: { type: 'string', default: '110' },
    spread: { type: 'string', default: '40' },
    prefix: { type: 'string', default: '40' },
    labels: { type: 'string', default: '3' },
    steps: { type: 'string', default: '4' },
  },
});
const n = (name: Exclude<keyof typeof args, 'weights' | 'mode'>): number => Number(args[name]);

const model = openModel(args.weights ?? '');
const info = await startEngine();
const source = openWeights(model, { mode: args.mode as 'streamed' });
const options = parseTrainingOptions({
  maxSteps: n('steps'),
  batchSize: n('micro'),
  gradientAccumulationSteps: n('rows') / n('micro'),
  learningRate: 1e-3,
  loraR: 8,
  loraAlpha: 8,
  targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj'],
});
const settings = { r: 8, loraAlpha: 8, loraDropout: 0, targetModules: options.targetModules };
const adapted = decoderLinears(model).filter(({ module }) => !module.endsWith('down_proj'));
using adapter = LoraAdapter.initialize(adapted, settings, 1);

let state = 1;
const random = (below: number): number => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % below;
const prefix = Array.from({ length: n('prefix') }, () => random(49152));
const rowOf = (tokens: number): TokenRow => {
  const inputIds = [...prefix, ...Array.from({ length: tokens - prefix.length }, () => random(49152))];
  return { inputIds, labels: inputIds.map((id, t) => (t < tokens - n('labels') ? -100 : id)) };
};
const steps = Array.from({ length: n('steps') }, () =>
  Array.from({ length: n('rows') / n('micro') }, () => {
    const tokens = n('tokens') + random(n('spread') + 1) - n('spread') / 2;
    return Array.from({ length: n('micro') }, (_, i) => rowOf(tokens + i));
  }),
);

let cpu = process.cpuUsage();
await train({
  source,
  adapter,
  plan: { stepsPerEpoch: steps.length, digest: '', batchAt: (step) => steps[step] ?? [] },
  options,
  onEvent: (event) => {
    if (event.kind !== 'step') return;
    const used = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const { step, loss, gradNorm, seconds, tokens, memory } = event;
    const processor = (used.user + used.system) / 1e6;
    const [peak, anonymous] = [memory.peakRssBytes, memory.rssAnonBytes].map((b) => (b / 1e6).toFixed(0));
    console.error(
      `step ${step}: ${seconds.toFixed(2)} s, processor ${processor.toFixed(2)} s, ${tokens} tokens, ` +
        `loss ${loss.toFixed(5)}, norm ${gradNorm.toFixed(5)}, peak ${peak} MB, private ${anonymous} MB`,
    );
  },
});
console.error(info.threads, 'threads', liveTensors(), readMemory());
source.close();
