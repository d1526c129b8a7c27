/** `emloc merge`: a model directory with the adapter added to its weights. */
import { meshOptions, modelOption, outputOption, overwriteOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface MergeOptions {
  readonly model: string;
  readonly adapter: string;
  readonly output: string;
  readonly overwrite: boolean;
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Adds an adapter to the weights of its model (in f32, stored in the type of the checkpoint). transformers loads what comes out.',
  );
  addOptions(command, 'Input and output', [
    modelOption,
    { flags: '--adapter <dir>', says: 'PEFT adapter', required: true },
    outputOption('model directory to write'),
    overwriteOption,
  ]);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(command, 'emloc merge --model ./model --adapter ./tuned/adapter --output ./merged');
  command.action((options: MergeOptions) =>
    start(options, async (context) => {
      const { merge } = await import('../stages/merge.ts');
      await merge(context, options);
    }),
  );
};
