/** `emloc evaluate`: how well a model or emulator, with or without an adapter, does on a data file. */
import { jsonOption, maxSeqLengthOption, precisionOption, serverOption } from '../options/common.ts';
import { dataOptions, rowShapes, type TypedData } from '../options/data.ts';
import { addOptions } from '../options/option.ts';
import { wholeNumber } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface EvaluateOptions extends TypedData {
  readonly model?: string;
  readonly emulator?: string;
  readonly adapter?: string;
  readonly data: string;
  readonly choices?: string;
  readonly exactMatch: boolean;
  readonly limit?: number;
  readonly precision?: 'f32' | 'bf16';
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Mean loss and perplexity over the labelled tokens; exact matches by greedy decoding for rows with a short completion; ' +
      'with --choices also how often the right answer has the highest summed log-probability.',
  );
  addOptions(command, 'Input', [
    { flags: '--model <dir>', says: 'model to evaluate (either this or --emulator)' },
    { flags: '--emulator <dir>', says: 'emulator to evaluate' },
    { flags: '--adapter <dir>', says: 'PEFT adapter to put on it' },
    {
      flags: '--data <file>',
      says: `rows: ${rowShapes}`,
      required: true,
    },
    {
      flags: '--choices <answers>',
      says: 'answers to choose among: a file with one a line, a JSON array (of token ids for pre-tokenized rows: [[5, 9], [7]]), or a list with commas',
    },
    { flags: '--no-exact-match', says: 'leave greedy decoding out' },
    {
      flags: '--limit <rows>',
      says: 'only the first so many rows (default: all)',
      parse: wholeNumber('--limit', 1, '100'),
    },
    maxSeqLengthOption,
    precisionOption,
  ]);
  addOptions(command, 'Data', dataOptions);
  addOptions(command, 'Mesh', [serverOption, jsonOption]);
  addExamples(
    command,
    'emloc evaluate --model ./model --adapter ./tuned/adapter --data test.jsonl',
    "emloc evaluate --model ./model --data test.jsonl --choices 'games,mail,math' --json",
  );
  command.action((options: EvaluateOptions) =>
    start(options, async (context) => {
      const { evaluate } = await import('../stages/evaluate.ts');
      await evaluate(context, options);
    }),
  );
};
