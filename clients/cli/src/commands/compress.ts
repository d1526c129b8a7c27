/** `emloc compress`: an emulator from a model and its Gram matrices. */
import { meshOptions, modelOption, outputOption, overwriteOption, ratioOptions } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { oneOf } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export const compressionMethods = ['activation-svd', 'svd'] as const;

export interface CompressOptions {
  readonly model: string;
  readonly statistics?: string;
  readonly ratio?: number;
  readonly ratios?: string;
  readonly method: (typeof compressionMethods)[number];
  readonly output: string;
  readonly overwrite: boolean;
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'An emulator of the model: each linear of the decoder layers as two thin factors u (d_out × r) and v (r × d_in), what ' +
      'was left full unchanged. The directory is complete in itself. Prints rank and truncation loss of every linear.',
  );
  addOptions(command, 'Input and output', [
    modelOption,
    {
      flags: '--statistics <file>',
      says: 'Gram matrices that emloc calibrate wrote (not needed by --method svd)',
    },
    ...ratioOptions,
    {
      flags: '--method <method>',
      says: 'activation-svd keeps what matters on real inputs, svd looks at the weights alone',
      parse: oneOf('--method', compressionMethods),
      default: 'activation-svd',
    },
    outputOption('emulator directory to write'),
    overwriteOption,
  ]);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(
    command,
    'emloc compress --model ./model --statistics grams.safetensors --ratio 0.5 --output ./emulator',
    `echo '{".*\\\\.mlp\\\\..*": 0.4, ".*": 0.6}' > ratios.json && emloc compress --model ./model --statistics grams.safetensors --ratios ratios.json --output ./emulator`,
  );
  command.action((options: CompressOptions) =>
    start(options, async (context) => {
      const { compress } = await import('../stages/compress.ts');
      await compress(context, options);
    }),
  );
};
