/** `emloc data`: what a data file is to a model. */
import { Argument } from 'commander';
import { jsonOption, maxSeqLengthOption } from '../options/common.ts';
import { dataOptions, rowShapes, type TypedData } from '../options/data.ts';
import { addOptions } from '../options/option.ts';
import { wholeNumber } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface InspectOptions extends TypedData {
  readonly model?: string;
  readonly row: number;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description('Shows what a data file is before anything is trained on it.');
  addExamples(command, 'emloc data inspect train.parquet --model ./model');

  const inspect = command
    .command('inspect')
    .summary('format, shape, tokens and lengths of a data file')
    .description(
      'What was recognised (format, shape, columns), rows and tokens, how long the rows are, how many are too long, and ' +
        'one row as the model sees it, what is learnt of it marked. Nothing is trained, no mesh is started.',
    )
    .addArgument(new Argument('<file>', rowShapes));
  addOptions(inspect, 'Input', [
    {
      flags: '--model <dir>',
      says: 'model whose tokenizer, chat template and limits count (default: rows are only parsed)',
    },
    maxSeqLengthOption,
    {
      flags: '--row <number>',
      says: 'the row to show, counted from 1',
      parse: wholeNumber('--row', 1, '1'),
      default: 1,
    },
  ]);
  addOptions(inspect, 'Data', dataOptions);
  addOptions(inspect, 'Output', [jsonOption]);
  addExamples(
    inspect,
    'emloc data inspect train.jsonl --model ./model --max-seq-length 512',
    'emloc data inspect faq.csv --model ./model --prompt-column question --completion-column answer',
  );
  inspect.action((file: string, options: InspectOptions) =>
    start(options, async (context) => {
      const { inspectData } = await import('../inspect/inspect-data.ts');
      await inspectData(context, file, options);
    }),
  );
};
