/** Generation as a command: checks, then one call a group of prompts (or a turn), printed as it comes. */
import { loadTokenizer } from '@emloc/models';
import { underOption } from '../checks/under-option.ts';
import { checkWeights } from '../checks/weights.ts';
import type { GenerateOptions } from '../commands/generate.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { toPrecision } from '../options/training-request.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withSession } from '../session/session.ts';
import type { GenerateRequest, Prompt } from '../wire/generation.ts';
import { readAdapters } from './adapters.ts';
import { Answers, type Answer } from './answers.ts';
import { chat } from './chat.ts';
import { checkAgainstModel, checkPromptOptions, promptGroups } from './prompts.ts';

export async function generate(context: CommandContext, typed: GenerateOptions): Promise<void> {
  checkPromptOptions(typed);
  const { model, server } = await fromHub(context, { model: typed.model, server: typed.server });
  const options: GenerateOptions = { ...typed, model };
  const weights = await checkWeights(options);
  const adapters = await readAdapters(context, options.adapter ?? [], weights.directory);
  if (weights.directory !== undefined) {
    const { dir } = weights.directory;
    const tokenizer = await underOption({ option: '--model', value: dir }, () => loadTokenizer(dir));
    checkAgainstModel(options, weights.directory, tokenizer);
  }
  const groups = options.chat ? [] : await promptGroups(context, options, adapters);
  if (server === undefined) await prepareRuntime(context.output);
  await withSession(context, { server }, async ({ connections, files }) => {
    const client = await connections.stage('inference');
    const common: Omit<GenerateRequest, 'prompts'> = {
      ...(await weights.source(files)),
      adapters: await Promise.all(
        adapters.map(async ({ name, path }) => ({ name, source: await files.input(path) })),
      ),
      options: toOptions(options),
      precision: toPrecision(options.precision),
      weightLoading:
        options.weightLoading === 'streamed' ? 'WEIGHT_LOADING_STREAMED' : 'WEIGHT_LOADING_RESIDENT',
    };
    const ask = async (prompts: readonly Prompt[]): Promise<readonly Answer[]> => {
      const answers = new Answers(context.output, prompts);
      try {
        const request = { ...common, prompts } as GenerateRequest;
        for await (const response of client.generate(request, { signal: context.signal }))
          answers.push(response);
      } finally {
        answers.end();
      }
      return answers.all;
    };
    context.output.endProgress();
    if (options.chat) return chat(context, options, adapters, ask);
    for await (const prompts of groups) await ask(prompts);
  });
}

const toOptions = (options: GenerateOptions): GenerateRequest['options'] => ({
  maxNewTokens: options.maxNewTokens,
  doSample: options.doSample,
  temperature: options.temperature,
  topK: options.topK,
  topP: options.topP,
  minP: options.minP,
  repetitionPenalty: options.repetitionPenalty,
  stop: options.stop,
  seed: options.seed,
  ignoreEos: options.ignoreEos,
  logProbabilities: options.logProbabilities,
});
