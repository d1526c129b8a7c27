/** `emloc init`: a job file to start from. */
import { Argument } from 'commander';
import { jsonOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface InitOptions {
  readonly model?: string;
  readonly data?: string;
  readonly output?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command
    .description(
      'Writes a job file for emloc finetune --config, with every option in it and what it means; editors that read JSON ' +
        'Schema complete and check it. Never overwrites a file.',
    )
    .addArgument(new Argument('[file]', 'job file to write').default('emloc.yaml'));
  addOptions(command, 'Fields', [
    { flags: '--model <dir>', says: 'fills in the model (default: ./model, to be changed)' },
    { flags: '--data <file>', says: 'fills in the training rows (default: train.jsonl)' },
    { flags: '--output <path>', says: 'fills in the directory that the job writes (default: tuned)' },
  ]);
  addOptions(command, 'Output', [jsonOption]);
  addExamples(
    command,
    'emloc init',
    'emloc init jobs/first.yaml --model HuggingFaceTB/SmolLM2-135M-Instruct --data train.jsonl',
  );
  command.action((file: string, options: InitOptions) =>
    start(options, async (context) => {
      const { init } = await import('../job-file/init.ts');
      await init(context, file, options);
    }),
  );
};
