/** `emloc train`: a LoRA adapter on an emulator, or on the original with streamed layers. */
import { meshOptions, outputOption, overwriteOption } from '../options/common.ts';
import { dataOptions, rowShapes } from '../options/data.ts';
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
import { addExamples, type DefineCommand } from '../program.ts';

export interface TrainOptions extends TypedTraining {
  readonly emulator?: string;
  readonly model?: string;
  readonly data: string;
  readonly output: string;
  readonly overwrite: boolean;
  readonly adapterInit?: string;
  readonly log?: string;
  readonly resume: boolean;
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Trains a LoRA adapter, whose base is the original model: on an emulator, or with --model on the original itself, ' +
      'its layers streamed from the file one at a time.',
  );
  addOptions(command, 'Input and output', [
    { flags: '--emulator <dir>', says: 'emulator to train on (either this or --model)' },
    { flags: '--model <dir>', says: 'original model to train on' },
    {
      flags: '--data <file>',
      says: `training rows: ${rowShapes}`,
      required: true,
    },
    outputOption('PEFT adapter directory to write'),
    overwriteOption,
    adapterInitOption,
    logOption(),
    {
      flags: '--resume',
      says: 'go on with the training into this --output that was interrupted',
      default: false,
    },
  ]);
  addOptions(command, 'Data', dataOptions);
  addOptions(command, 'Adapter', loraOptions);
  addOptions(command, 'Optimizer', optimizerOptions);
  addOptions(command, 'Steps and batches', batchOptions);
  addOptions(command, 'Evaluation and checkpoints', evaluationOptions);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(
    command,
    'emloc train --emulator ./emulator --data train.jsonl --output ./adapter --max-steps 200 --learning-rate 1e-3',
    "emloc train --model ./model --data train.jsonl --output ./adapter --target-modules '.*\\.self_attn\\.(q|v)_proj'",
  );
  command.action((options: TrainOptions, self) =>
    start(options, async (context) => {
      const { train } = await import('../stages/train.ts');
      await train(context, options, (name) => self.getOptionValueSource(name) === 'cli');
    }),
  );
};
