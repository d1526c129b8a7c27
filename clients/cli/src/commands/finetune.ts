/** `emloc finetune`: the whole job, driven by the coordinator. */
import {
  meshOptions,
  modelOption,
  outputOption,
  overwriteOption,
  ratioOptions,
  samplesOption,
} from '../options/common.ts';
import {
  correctionMethodOption,
  maxCorrectionRatioOption,
  type CorrectionMethodName,
} from '../options/correction.ts';
import { dataOptions, rowShapes } from '../options/data.ts';
import { isGiven, takeJobFile, withPlaces } from '../job-file/apply.ts';
import { addOptions } from '../options/option.ts';
import type { TypedTraining } from '../options/training-request.ts';
import {
  adapterInitOption,
  batchOptions,
  evaluationOptions,
  logOption,
  loraOptions,
  optimizerOptions,
} from '../options/training.ts';
import { numberIn, oneOf, wholeNumber, wordOr } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';
import { compressionMethods } from './compress.ts';

export interface FinetuneOptions extends TypedTraining {
  readonly config?: string;
  readonly model: string;
  readonly data: string;
  readonly output: string;
  readonly overwrite: boolean;
  readonly adapterInit?: string;
  readonly log?: string;
  readonly id?: string;
  readonly ratio?: number;
  readonly ratios?: string;
  readonly samples: number;
  readonly compressionMethod: (typeof compressionMethods)[number];
  readonly correctionMethod: CorrectionMethodName;
  readonly maxCorrectionRatio: number;
  readonly refineSteps?: number | 'all';
  readonly refineLearningRate?: number;
  readonly memoryBudget?: number;
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'The whole job: calibrate and compress the model into an emulator, train a LoRA adapter on it, correct the adapter for ' +
      'the original, refine it there by exact steps, and keep the best on held-out rows. The output gets adapter/, ' +
      'adapter-uncorrected/ and report.json. Ctrl-C pauses; emloc jobs resume ID goes on.',
  );
  takeJobFile(command);
  addOptions(command, 'Input and output', [
    {
      flags: '--config <file>',
      says: 'job file (YAML) with any of these options as fields, such as learning_rate; what is typed wins (default: none; emloc init writes one)',
    },
    modelOption,
    {
      flags: '--data <file>',
      says: `training rows: ${rowShapes}`,
      required: true,
    },
    outputOption('directory to write'),
    overwriteOption,
    adapterInitOption,
    logOption('stage (train, refine), '),
    { flags: '--id <id>', says: 'name of the job (default: made up)' },
  ]);
  addOptions(command, 'Data', dataOptions);
  addOptions(command, 'Emulator', [
    ...ratioOptions.map((row) =>
      row.flags.startsWith('--ratio ') ? { ...row, says: `${row.says}; 1: no emulator (default: 0.5)` } : row,
    ),
    {
      flags: '--compression-method <method>',
      says: compressionMethods.join(' or '),
      parse: oneOf('--compression-method', compressionMethods),
      default: 'activation-svd',
    },
    samplesOption,
  ]);
  addOptions(command, 'Correction and refinement', [
    {
      ...correctionMethodOption('--correction-method', ''),
      says: 'auto tries several on held-out rows, paper is as published, none leaves the adapter',
      default: 'auto',
    },
    maxCorrectionRatioOption,
    {
      flags: '--refine-steps <steps>',
      says: 'so many of the steps are exact, on the original (default: half); 0: as published; all: LoRA on the original',
      parse: wordOr('all', wholeNumber('--refine-steps', 0, '60 (or all)')),
    },
    {
      flags: '--refine-learning-rate <rate>',
      says: 'peak of the exact steps, warmed up anew (default: 0.8 of --learning-rate)',
      parse: numberIn('--refine-learning-rate', { min: 0, aboveMin: true }, '1e-4'),
    },
    {
      flags: '--memory-budget <bytes>',
      says: 'refuse a stage that is predicted to need more, with the ratio that would fit (default: no limit)',
      parse: wholeNumber('--memory-budget', 1, '2000000000'),
    },
  ]);
  addOptions(command, 'Adapter', loraOptions);
  addOptions(command, 'Optimizer', optimizerOptions);
  addOptions(command, 'Steps and batches', batchOptions);
  addOptions(command, 'Evaluation and checkpoints', [
    {
      flags: '--eval-data <file>',
      says: 'held-out rows (default: up to 64 rows of --data, which then are not trained on)',
    },
    ...evaluationOptions.filter(({ flags }) => !flags.startsWith('--eval-data')),
  ]);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(
    command,
    'emloc finetune --model ./SmolLM2-135M-Instruct --data train.jsonl --output ./tuned --ratio 0.5 --max-steps 120 --learning-rate 1e-3',
    'emloc finetune --config emloc.yaml --seed 1',
  );
  command.action((options: FinetuneOptions, self) =>
    start(options, async (context) => {
      const { finetune } = await import('../jobs/finetune.ts');
      await withPlaces(self, () => finetune(context, options, (name) => isGiven(self, name)));
    }),
  );
};
