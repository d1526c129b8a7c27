/** emloc.inference.v1.GenerateRequest as the worker is told it. */
import { EmlocError } from '@emloc/errors';
import { readMemoryBudget, type Fields, type SourceResolver } from '@emloc/service-kit';
import { maxIds, readWeightsOptions, type WeightsOptions } from './requests.ts';

export type PromptContent =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly messages: readonly { readonly role: string; readonly content: string }[] };

export interface PromptRequest {
  readonly content: PromptContent;
  /** Which of `adapters`; undefined: none. */
  readonly adapter: number | undefined;
}

export interface GenerationOptions {
  readonly maxNewTokens: number;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly stop: readonly string[];
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly logProbabilities: boolean;
}

export interface GenerationRequest extends WeightsOptions {
  readonly adapters: readonly { readonly name: string; readonly path: string }[];
  readonly prompts: readonly PromptRequest[];
  readonly options: GenerationOptions;
  readonly memoryBudgetBytes: number | undefined;
}

const maxPrompts = 256;
const maxAdapters = 16;
const maxMessages = 10_000;
const maxStops = 16;
/** Far beyond the limit of any model; what the model takes is checked when it is known. */
const maxCharacters = 4_000_000;

export async function readGeneration(request: Fields, sources: SourceResolver): Promise<GenerationRequest> {
  const adapters = await readAdapters(request, sources);
  const prompts = request.messages('prompts', maxPrompts);
  if (prompts.length === 0) request.missing('prompts');
  return {
    ...(await readWeightsOptions(request, sources)),
    adapters,
    prompts: prompts.map((prompt) => ({
      content: readContent(prompt),
      adapter: adapterOf(
        prompt,
        adapters.map(({ name }) => name),
      ),
    })),
    options: readOptions(request.message('options')),
    memoryBudgetBytes: readMemoryBudget(request),
  };
}

async function readAdapters(
  request: Fields,
  sources: SourceResolver,
): Promise<GenerationRequest['adapters']> {
  const found: { name: string; path: string }[] = [];
  for (const adapter of request.messages('adapters', maxAdapters)) {
    const name = adapter.requiredText('name', 128);
    if (found.some((other) => other.name === name))
      throw adapter.wrong('name', 'is the name of another adapter, too', 'give each a name of its own');
    found.push({ name, path: (await sources.resolve(adapter.required('source'))).path });
  }
  return found;
}

function adapterOf(prompt: Fields, names: readonly string[]): number | undefined {
  const name = prompt.text('adapter', 128);
  if (name === undefined) return undefined;
  const index = names.indexOf(name);
  if (index >= 0) return index;
  const known = names.length === 0 ? 'none is given' : `these are: ${names.join(', ')}`;
  throw new EmlocError('INVALID_ARGUMENT', 'UNKNOWN_ADAPTER', `no adapter is called ${name}`, {
    field: prompt.pathOf('adapter'),
    value: name,
    mend: `name one of the request's adapters (${known})`,
  });
}

function readContent(prompt: Fields): PromptContent {
  const text = prompt.text('text', maxCharacters);
  if (text !== undefined) return { text };
  const tokens = prompt.message('tokens');
  if (tokens !== undefined) return { ids: tokens.integers('ids', maxIds) };
  const conversation = prompt.message('conversation');
  if (conversation === undefined) return prompt.missing('text');
  const messages = conversation.messages('messages', maxMessages);
  if (messages.length === 0) conversation.missing('messages');
  return {
    messages: messages.map((message) => ({
      role: message.requiredText('role', 128),
      content: message.text('content', maxCharacters) ?? '',
    })),
  };
}

function readOptions(fields: Fields | undefined): GenerationOptions {
  const number = (...[name, rule]: Parameters<Fields['number']>) => fields?.number(name, rule);
  const temperature = number('temperature', { min: 0, above: true, max: 1e6 });
  const topK = fields?.integer('topK', { min: 0 });
  const topP = number('topP', { min: 0, above: true, max: 1 });
  const minP = number('minP', { min: 0, max: 1 });
  const draws = [temperature, topK, topP, minP].some((given) => given !== undefined);
  return {
    maxNewTokens: fields?.integer('maxNewTokens', { min: 1, max: 1_000_000 }) ?? 256,
    doSample: fields?.boolean('doSample') ?? draws,
    temperature: temperature ?? 1,
    topK: topK ?? 0,
    topP: topP ?? 1,
    minP: minP ?? 0,
    repetitionPenalty: number('repetitionPenalty', { min: 0, above: true, max: 1e6 }) ?? 1,
    stop: fields?.texts('stop', maxStops) ?? [],
    seed: fields?.integer('seed', { min: 0 }) ?? 0,
    ignoreEos: fields?.boolean('ignoreEos') ?? false,
    logProbabilities: fields?.boolean('logProbabilities') ?? false,
  };
}
