/** `emloc calibrate`: Gram matrices of every linear's inputs, into one safetensors file. */
import { dataOptions, rowShapes, type TypedData } from '../options/data.ts';
import { addOptions } from '../options/option.ts';
import {
  maxSeqLengthOption,
  meshOptions,
  modelOption,
  outputOption,
  overwriteOption,
  samplesOption,
  seedOption,
} from '../options/common.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface CalibrateOptions extends TypedData {
  readonly model: string;
  readonly data: string;
  readonly samples: number;
  readonly seed: number;
  readonly output: string;
  readonly overwrite: boolean;
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    "Gram matrices of every linear's inputs over a calibration set, one layer in memory at a time. Writes gram.<module> " +
      'once for linears that share an input; the metadata key gram_of maps every linear to its tensor.',
  );
  addOptions(command, 'Input and output', [
    modelOption,
    {
      flags: '--data <file>',
      says: `the task's own training rows: ${rowShapes}`,
      required: true,
    },
    samplesOption,
    seedOption,
    maxSeqLengthOption,
    outputOption('safetensors file to write'),
    overwriteOption,
  ]);
  addOptions(command, 'Data', dataOptions);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(command, 'emloc calibrate --model ./model --data train.jsonl --output grams.safetensors');
  command.action((options: CalibrateOptions) =>
    start(options, async (context) => {
      const { calibrate } = await import('../stages/calibrate.ts');
      await calibrate(context, options);
    }),
  );
};
