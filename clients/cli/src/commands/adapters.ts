/** `emloc adapters`: what is done with adapters besides training them. */
import { Argument } from 'commander';
import { jsonOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface PushOptions {
  readonly baseModel?: string;
  readonly report?: string;
  readonly dataset?: string;
  readonly license?: string;
  readonly private: boolean;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description('Shares an adapter on the Hugging Face hub.');
  addExamples(command, 'emloc adapters push ./tuned/adapter ORG/NAME');

  const push = command
    .command('push')
    .summary('send an adapter to the hub')
    .description(
      'Sends a PEFT adapter to a repository of the Hugging Face hub as one commit, with a model card that names base ' +
        'model, data, settings and what was measured. The repository is made where there is none. HF_TOKEN has to hold ' +
        'a token that may write; HF_ENDPOINT names another hub.',
    )
    .addArgument(new Argument('<dir>', 'PEFT adapter directory'))
    .addArgument(new Argument('<repository>', 'ORG/NAME'));
  addOptions(push, 'Model card', [
    {
      flags: '--base-model <name>',
      says: "ORG/NAME of the base model on the hub (default: the adapter's own, which must not be a path)",
    },
    {
      flags: '--report <file>',
      says: 'report.json of the job that made it (default: the one beside the directory, where it is of this adapter)',
    },
    {
      flags: '--dataset <name>',
      says: 'the data, as the card names it (default: the name of its file, from the report)',
    },
    {
      flags: '--license <id>',
      says: "licence, such as apache-2.0 (default: none is named; the base model's applies)",
    },
  ]);
  addOptions(push, 'Repository', [
    { flags: '--private', says: 'make a repository that is made private', default: false },
    jsonOption,
  ]);
  addExamples(
    push,
    'emloc adapters push ./tuned/adapter me/my-adapter --base-model Qwen/Qwen2.5-0.5B-Instruct --private',
  );
  push.action((dir: string, repository: string, options: PushOptions) =>
    start(options, async (context) => {
      const { pushAdapter } = await import('../adapters/push.ts');
      await pushAdapter(context, dir, repository, options);
    }),
  );
};
