/** `emloc generate`: text from a model, with or without adapters, as it is made. */
import { jsonOption, precisionOption, seedOption, serverOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { eachOf, numberIn, oneOf, wholeNumber } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface GenerateOptions {
  readonly model?: string;
  readonly emulator?: string;
  readonly adapter?: readonly string[];
  readonly prompt?: readonly string[];
  readonly prompts?: string;
  readonly chat: boolean;
  readonly system?: string;
  readonly use?: readonly string[];
  readonly maxNewTokens: number;
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty: number;
  readonly stop?: readonly string[];
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly logProbabilities: boolean;
  readonly precision?: 'f32' | 'bf16';
  readonly weightLoading: 'resident' | 'streamed';
  readonly server?: string;
  readonly json: boolean;
}

/** A prompt's choice of no adapter at all. */
export const noAdapter = 'none';

export const define: DefineCommand = (command, start) => {
  command.description(
    'Goes on with each prompt, and prints the text as it is made: prompts of --prompt, of a file, or one a line of standard ' +
      'input, all computed together; or a conversation (--chat). The most likely token is taken each time unless an option ' +
      "asks for drawing. Options are named as in transformers; none of a model's own generation_config.json is taken but " +
      'its end-of-text tokens.',
  );
  addOptions(command, 'Input', [
    { flags: '--model <dir>', says: 'model to generate with (either this or --emulator)' },
    { flags: '--emulator <dir>', says: 'emulator to generate with' },
    {
      flags: '--adapter <[name=]dir>',
      says: 'PEFT adapter that prompts may use, again for more of them on the one base',
      parse: eachOf(),
    },
    {
      flags: '--use <name>',
      says: `adapter of the prompts, or ${noAdapter}: once for all, or as often as --prompt (default: the only adapter)`,
      parse: eachOf(),
    },
    {
      flags: '--prompt <text>',
      says: 'text to go on with, again for more (default: the lines of standard input)',
      parse: eachOf(),
    },
    {
      flags: '--prompts <file>',
      says: 'JSON lines {"prompt": text} or {"messages": [{"role", "content"}, …]}, with "adapter" where wanted (default: none)',
    },
    {
      flags: '--chat',
      says: 'a conversation: each line is a turn; /adapter NAME, /reset, /exit',
      default: false,
    },
    { flags: '--system <text>', says: "the system's words before a conversation (default: the model's own)" },
  ]);
  addOptions(command, 'Choice of tokens', [
    {
      flags: '--max-new-tokens <count>',
      says: 'most tokens to make of a prompt',
      parse: wholeNumber('--max-new-tokens', 1, '256'),
      default: 256,
    },
    {
      flags: '--do-sample',
      says: 'draw each token (default: where --temperature, --top-k, --top-p or --min-p is given)',
    },
    {
      flags: '--temperature <number>',
      says: 'above 0: below 1 draws likely tokens more often, above 1 less (default: 1)',
      parse: numberIn('--temperature', { min: 0, aboveMin: true }, '0.7'),
    },
    {
      flags: '--top-k <count>',
      says: 'draw among the k most likely tokens, 0 for all (default: 0)',
      parse: wholeNumber('--top-k', 0, '50'),
    },
    {
      flags: '--top-p <share>',
      says: 'draw among the most likely tokens that together have this probability, in (0, 1] (default: 1)',
      parse: numberIn('--top-p', { min: 0, aboveMin: true, max: 1 }, '0.9'),
    },
    {
      flags: '--min-p <share>',
      says: "draw among tokens with at least this part of the likeliest one's probability, in [0, 1] (default: 0)",
      parse: numberIn('--min-p', { min: 0, max: 1 }, '0.05'),
    },
    {
      flags: '--repetition-penalty <number>',
      says: 'above 1 makes tokens that are there already less likely',
      parse: numberIn('--repetition-penalty', { min: 0, aboveMin: true }, '1.1'),
      default: 1,
    },
    {
      flags: '--stop <text>',
      says: 'end before this text, again for more (default: none)',
      parse: eachOf(),
    },
    { flags: '--ignore-eos', says: 'go on after end-of-text tokens', default: false },
    seedOption,
  ]);
  addOptions(command, 'Computation', [
    precisionOption,
    {
      flags: '--weight-loading <way>',
      says: 'resident, or streamed: read anew for each token, in the least memory',
      parse: oneOf('--weight-loading', ['resident', 'streamed']),
      default: 'resident',
    },
    {
      flags: '--log-probabilities',
      says: "with --json: each token's log-probability, by the model itself",
      default: false,
    },
  ]);
  addOptions(command, 'Mesh', [
    serverOption,
    { ...jsonOption, says: 'print a JSON object a prompt, one a line, in place of the text' },
  ]);
  addExamples(
    command,
    "emloc generate --model ./model --prompt 'The capital of France is' --max-new-tokens 20",
    'emloc generate --model ./model --adapter ./tuned/adapter --chat --temperature 0.7 --top-p 0.9',
    'emloc generate --model ./model --adapter a=./one --adapter b=./two --prompt Hello --prompt Hello --use a --use b',
    'cat questions.txt | emloc generate --model ./model --json > answers.jsonl',
  );
  command.action((options: GenerateOptions) =>
    start(options, async (context) => {
      const { generate } = await import('../generate/generate.ts');
      await generate(context, options);
    }),
  );
};
