/**
 * Every option of a training, named as Hugging Face's `TrainingArguments` and PEFT's `LoraConfig` name them, in kebab
 * case. `train` and `finetune` share this one table.
 */
import { maxSeqLengthOption, precisionOption, seedOption } from './common.ts';
import type { OptionRow } from './option.ts';
import { numberIn, oneOf, wholeNumber } from './values.ts';

export const schedulerTypes = ['cosine', 'linear', 'constant', 'constant_with_warmup'] as const;

const share = (field: string, example: string) =>
  numberIn(field, { min: 0, max: 1, belowMax: true }, example);

export const loraOptions: readonly OptionRow[] = [
  {
    flags: '--lora-r <rank>',
    says: 'rank of the adapter',
    parse: wholeNumber('--lora-r', 1, '8'),
    default: 8,
  },
  {
    flags: '--lora-alpha <alpha>',
    says: 'the adapter is scaled by alpha / r',
    parse: numberIn('--lora-alpha', { min: 0, aboveMin: true }, '8'),
    default: 8,
  },
  {
    flags: '--lora-dropout <share>',
    says: "dropout on the adapter's input",
    parse: share('--lora-dropout', '0.05'),
    default: 0,
  },
  {
    flags: '--target-modules <modules>',
    says: 'what is adapted: names with commas, all-linear, or one regular expression matched in full, as in PEFT',
    default: 'all-linear',
  },
];

export const adapterInitOption: OptionRow = {
  flags: '--adapter-init <dir>',
  says: 'PEFT adapter to start from; r, alpha and modules must agree (default: drawn with the seed, B zero)',
};

/** `also`: what a line holds besides. */
export const logOption = (also = ''): OptionRow => ({
  flags: '--log <file>',
  says: `JSON lines to write, one a step: ${also}step, loss, grad_norm, learning_rate, tokens`,
});

export const optimizerOptions: readonly OptionRow[] = [
  {
    flags: '--learning-rate <rate>',
    says: 'peak learning rate of AdamW',
    parse: numberIn('--learning-rate', { min: 0 }, '2e-4'),
    default: 0.0002,
  },
  {
    flags: '--lr-scheduler-type <type>',
    says: schedulerTypes.join(', '),
    parse: oneOf('--lr-scheduler-type', schedulerTypes),
    default: 'cosine',
  },
  {
    flags: '--warmup-steps <steps>',
    says: 'steps of linear warm-up (default: --warmup-ratio of all steps)',
    parse: wholeNumber('--warmup-steps', 0, '10'),
  },
  {
    flags: '--warmup-ratio <share>',
    says: 'share of the steps that warm up (default: 0.03; 0 for constant)',
    parse: numberIn('--warmup-ratio', { min: 0, max: 1 }, '0.03'),
  },
  {
    flags: '--weight-decay <decay>',
    says: 'decoupled weight decay',
    parse: numberIn('--weight-decay', { min: 0 }, '0.01'),
    default: 0.01,
  },
  {
    flags: '--adam-beta1 <beta>',
    says: 'decay of the first moment',
    parse: share('--adam-beta1', '0.9'),
    default: 0.9,
  },
  {
    flags: '--adam-beta2 <beta>',
    says: 'decay of the second moment',
    parse: share('--adam-beta2', '0.999'),
    default: 0.999,
  },
  {
    flags: '--adam-epsilon <epsilon>',
    says: 'added to the root of the second moment',
    parse: numberIn('--adam-epsilon', { min: 0, aboveMin: true }, '1e-8'),
    default: 1e-8,
  },
  {
    flags: '--max-grad-norm <norm>',
    says: 'clip the gradient of all factors together to this norm; 0: no clipping',
    parse: numberIn('--max-grad-norm', { min: 0 }, '1'),
    default: 1,
  },
];

export const batchOptions: readonly OptionRow[] = [
  {
    flags: '--max-steps <steps>',
    says: 'optimizer steps (default: as many as --num-train-epochs takes, 500 without it)',
    parse: wholeNumber('--max-steps', 1, '500'),
  },
  {
    flags: '--num-train-epochs <epochs>',
    says: 'passes over the data, a part of one counts (default: as --max-steps says)',
    parse: numberIn('--num-train-epochs', { min: 0, aboveMin: true }, '3'),
  },
  {
    flags: '--batch-size, --per-device-train-batch-size <rows>',
    says: 'rows of a micro-batch',
    parse: wholeNumber('--per-device-train-batch-size', 1, '2'),
    default: 2,
  },
  {
    flags: '--gradient-accumulation-steps <count>',
    says: 'micro-batches of a step',
    parse: wholeNumber('--gradient-accumulation-steps', 1, '4'),
    default: 4,
  },
  maxSeqLengthOption,
  { flags: '--group-by-length', says: 'micro-batches of rows near in length', default: true },
  { flags: '--no-group-by-length', says: 'micro-batches in the order of the draw' },
  { flags: '--no-shuffle', says: 'rows in file order' },
  seedOption,
  precisionOption,
];

export const evaluationOptions: readonly OptionRow[] = [
  { flags: '--eval-data <file>', says: 'held-out rows' },
  {
    flags: '--eval-steps <steps>',
    says: 'evaluate on the held-out rows every so many steps; the best is kept (default: not during training)',
    parse: wholeNumber('--eval-steps', 1, '50'),
  },
  {
    flags: '--early-stopping-patience <count>',
    says: 'stop after so many evaluations without gain (default: never)',
    parse: wholeNumber('--early-stopping-patience', 1, '3'),
  },
  {
    flags: '--save-steps <steps>',
    says: 'steps between checkpoints; 0: only when paused',
    parse: wholeNumber('--save-steps', 0, '50'),
    default: 50,
  },
];
