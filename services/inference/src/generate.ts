/** Generation in its process: messages of emloc.inference.v1, one a token. */
import { totalmem } from 'node:os';
import { decoderLinears, predictPeak, variantLinears, type AdapterDirectory } from '@emloc/emloc';
import { halfPrecision, startEngine } from '@emloc/engine';
import { messageCodec } from '@emloc/mesh/contracts';
import {
  cacheBytesOf,
  DEFAULT_CACHE_BYTES,
  endOfTextIds,
  generate,
  loadTokenizer,
  PREFILL_TOKENS,
  type FinishReason,
  type GeneratedToken,
  type GenerateOptions,
  type ModelDirectory,
} from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import { assertWithinBudget, predictionOf } from '@emloc/service-kit/worker';
import type { GenerationRequest, PromptRequest } from './generation-request.ts';
import { adapterKey, HeldModel } from './held-model.ts';
import { noTokenizer, promptIds, PromptText } from './prompt-text.ts';
import { checkAdapter, checkModel } from './weights.ts';

/** Of this process. */
const held = new HeldModel();

const finishReasons: Readonly<Record<FinishReason, string>> = {
  eos: 'FINISH_REASON_END_OF_TEXT',
  stop: 'FINISH_REASON_STOP',
  length: 'FINISH_REASON_MAX_NEW_TOKENS',
  context: 'FINISH_REASON_CONTEXT_LENGTH',
};

export async function generateText(request: GenerationRequest, context: WorkerContext): Promise<object> {
  const { options, prompts } = request;
  const model = checkModel(request.weights);
  const directories = request.adapters.map(({ path }) => checkAdapter(path, model));
  const tokenizer = loadTokenizer(model.dir);
  if (tokenizer === undefined && options.stop.length > 0) throw noTokenizer('options.stop');
  const ids = promptIds(prompts, model, tokenizer);
  const texts = prompts.map((prompt, i) => new PromptText(prompt, ids[i]!, tokenizer, options));
  if (request.memoryBudgetBytes !== undefined) held.prefixes.clear();
  const keepConverted = chooseConversion(request, model, directories, ids);
  await startEngine();
  const source = held.weights(model, {
    mode: request.weightLoading,
    computeDtype: request.precision,
    keepConverted,
  });
  const adapters = held.adapters(directories, model);
  const codec = messageCodec('emloc.inference.v1.GenerateResponse');
  const newTokens = prompts.map(() => 0);
  const answer = async (token: GeneratedToken): Promise<'stop' | undefined> => {
    const { prompt, id, logProbability } = token;
    const { text, stopped } = texts[prompt]!.push(token);
    newTokens[prompt]! += 1;
    const finish = stopped ? 'stop' : token.finish;
    const message = {
      prompt,
      text,
      ids: [id],
      logProbabilities: logProbability === undefined ? [] : [logProbability],
      ...(finish && {
        finishReason: finishReasons[finish],
        usage: { promptTokens: ids[prompt]!.length, newTokens: newTokens[prompt] },
      }),
    };
    await context.output.write(codec.encode(message));
    return stopped ? 'stop' : undefined;
  };
  const routed = new Set(decoderLinears(model).flatMap((linear) => (linear.routed ? [linear.module] : [])));
  const kept = keptFor(request, directories);
  const linears = variantLinears(source, [undefined, ...adapters]);
  for (const batch of promptBatches(prompts, directories, routed)) {
    const some = batch.map((i) => ({
      ids: ids[i]!,
      variant: variantOf(prompts[i]!),
      stream: i, // draws of a prompt are the same in whatever batch it is
    }));
    await generate(source, linears, some, {
      maxNewTokens: options.maxNewTokens,
      eosTokenIds: options.ignoreEos ? [] : endOfTextIds(model),
      sampling: options,
      logProbabilities: options.logProbabilities,
      afterLayer: () => context.yield(),
      ...(kept && { kept }),
      onToken: (token) => answer({ ...token, prompt: batch[token.prompt]! }),
    });
  }
  return {};
}

/** Where a prompt alone finds what it has in common with those before it. A call with a budget keeps nothing. */
function keptFor(
  { prompts, memoryBudgetBytes }: GenerationRequest,
  directories: readonly AdapterDirectory[],
): GenerateOptions['kept'] {
  const [prompt, ...more] = prompts;
  if (prompt === undefined || more.length > 0 || memoryBudgetBytes !== undefined) return undefined;
  const directory = prompt.adapter === undefined ? undefined : directories[prompt.adapter];
  return { prefixes: held.prefixes, owner: directory === undefined ? '' : adapterKey(directory) };
}

const variantOf = ({ adapter }: PromptRequest): number => (adapter === undefined ? 0 : adapter + 1);

/**
 * Which prompts are computed together: all of them; but one adapter after the other where adapters are on `routed`
 * modules, which see only some of a batch's rows.
 */
export function promptBatches(
  prompts: readonly PromptRequest[],
  adapters: readonly Pick<AdapterDirectory, 'modules'>[],
  routed: ReadonlySet<string>,
): number[][] {
  const all = [...prompts.keys()];
  if (!adapters.some(({ modules }) => modules.some(({ module }) => routed.has(module)))) return [all];
  const variants = [...new Set(prompts.map(variantOf))];
  return variants.map((variant) => all.filter((i) => variantOf(prompts[i]!) === variant));
}

/**
 * Held against the budget. Weights that must be converted to be multiplied are converted once, and not for each token,
 * where they are resident and that fits (in the budget, or in the machine).
 */
function chooseConversion(
  request: GenerationRequest,
  model: ModelDirectory,
  directories: readonly AdapterDirectory[],
  ids: readonly (readonly number[])[],
): boolean {
  const { memoryBudgetBytes, options, weightLoading } = request;
  const longest = ids.reduce((most, { length }) => Math.max(most, length), 0);
  const total = ids.reduce((sum, { length }) => sum + length, 0);
  const tokens = Math.min(longest + options.maxNewTokens, model.config.maxPositionEmbeddings);
  const one = cacheBytesOf(model, 1, tokens);
  const cache = Math.max(one, Math.min(ids.length * one, DEFAULT_CACHE_BYTES));
  const prediction = (keepsConverted: boolean) =>
    predictionOf(
      predictPeak('generation', {
        model,
        convertsWeights: request.precision === 'f32' || halfPrecision() === 'cast',
        keepsConverted,
        resident: weightLoading === 'resident',
        microBatchTokens: Math.max(longest, Math.min(total, PREFILL_TOKENS)),
        sequenceTokens: longest,
        labelledTokens: ids.length,
        keyValueCacheBytes: cache + held.prefixes.bytes,
        adapterBytes: directories.reduce((sum, { file }) => sum + file.fileBytes, 0),
      }),
      memoryBudgetBytes,
    );
  const keeps = prediction(true);
  const fits = keeps.peakResidentBytes <= (memoryBudgetBytes ?? machineBytes());
  if (weightLoading === 'resident' && fits) return true;
  assertWithinBudget(prediction(false), () =>
    weightLoading === 'resident'
      ? 'stream the weights (weight_loading), or ask for fewer prompts or tokens'
      : 'ask for fewer prompts or tokens',
  );
  return false;
}

/** Memory of the machine, or of the container; not what is free of it, which changes with what this process holds. */
const machineBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Infinity);
