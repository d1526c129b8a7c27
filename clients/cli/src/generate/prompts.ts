/** What is to be gone on with, from the options, a file, or standard input: groups that are computed together. */
import { readFile } from 'node:fs/promises';
import { groupsUpTo, type ModelDirectory, type Tokenizer } from '@emloc/models';
import { EmlocError } from '@emloc/errors';
import { underOption } from '../checks/under-option.ts';
import type { GenerateOptions } from '../commands/generate.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';
import type { ChatMessage, Prompt } from '../wire/generation.ts';
import { adapterNamed, adaptersOfPrompts, type NamedAdapter } from './adapters.ts';
import { Lines } from './lines.ts';

/** Of one request: more would only wait there. */
const promptsAtOnce = 64;

export type PromptGroups = AsyncIterable<readonly Prompt[]> | Iterable<readonly Prompt[]>;

/** Exactly one way to give prompts. */
export function checkPromptOptions({ prompt, prompts, chat, system, use = [] }: GenerateOptions): void {
  const given = [prompt && '--prompt', prompts !== undefined && '--prompts', chat && '--chat'].filter(
    (option) => typeof option === 'string',
  );
  if (given.length > 1)
    throw new UsageError('CONFLICTING_OPTIONS', `both ${given.join(' and ')} are given`, {
      field: given[1],
      mend: 'give one of them',
    });
  if (system !== undefined && !chat)
    throw new UsageError('CONFLICTING_OPTIONS', '--system is given without --chat', {
      field: '--system',
      value: system,
      mend: 'add --chat, or give messages with the role system in --prompts',
    });
  if (use.length > 1 && prompt === undefined)
    throw new UsageError('CONFLICTING_OPTIONS', '--use is given several times, without --prompt', {
      field: '--use',
      value: use.join(', '),
      mend: 'give it once, or name the adapter in each row of --prompts',
    });
}

export async function promptGroups(
  context: CommandContext,
  { prompt, prompts, use = [] }: GenerateOptions,
  adapters: readonly NamedAdapter[],
): Promise<PromptGroups> {
  if (prompt !== undefined) {
    const names = adaptersOfPrompts(adapters, use, prompt.length);
    return groups(prompt.map((text, i) => ({ text: notEmpty(text), adapter: names[i] })));
  }
  const [name] = adaptersOfPrompts(adapters, prompts === undefined ? use : use.slice(0, 1), 1);
  if (prompts !== undefined) return groups(await readPrompts(prompts, adapters, name));
  if (context.stdin.isTTY === true)
    throw new UsageError('MISSING_OPTION', 'no prompt is given', {
      field: '--prompt',
      mend: 'give --prompt TEXT, --chat, or lines on standard input',
    });
  return promptLines(context, name);
}

async function* promptLines(
  context: CommandContext,
  adapter: string | undefined,
): AsyncGenerator<readonly Prompt[]> {
  using lines = new Lines(context);
  for (let some = await lines.take(promptsAtOnce); some.length > 0; some = await lines.take(promptsAtOnce)) {
    const texts = some.filter((line) => line.trim() !== '');
    if (texts.length > 0) yield texts.map((text) => ({ text, adapter }));
  }
}

const groups = (prompts: readonly Prompt[]): Prompt[][] => groupsUpTo(prompts, promptsAtOnce, () => 1);

function notEmpty(text: string): string {
  if (text !== '') return text;
  throw new UsageError('EMPTY_PROMPT', 'the prompt is empty', {
    field: '--prompt',
    mend: 'give some text to go on with',
  });
}

async function readPrompts(
  file: string,
  adapters: readonly NamedAdapter[],
  otherwise: string | undefined,
): Promise<Prompt[]> {
  const text = await underOption({ option: '--prompts', value: file }, () => readFile(file, 'utf8'));
  const rows = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ line, number: i + 1 }]));
  if (rows.length === 0)
    throw new EmlocError('INVALID_ARGUMENT', 'NO_PROMPTS', `${file} holds no prompts`, {
      field: '--prompts',
      value: file,
      mend: 'write one JSON object a line, such as {"prompt": "Once upon a time"}',
    });
  return rows.map(({ line, number }) => {
    const row = parseRow(line);
    const place = `${file}:${number}`;
    if (row === undefined)
      throw new EmlocError('INVALID_ARGUMENT', 'BAD_PROMPT', `${place} is no prompt`, {
        field: place,
        value: line.slice(0, 100),
        mend: 'write {"prompt": TEXT} or {"messages": [{"role": …, "content": …}, …]}',
      });
    const { adapter, ...content } = row;
    const name = adapter === undefined ? otherwise : adapterNamed(adapters, adapter, place);
    return { ...content, adapter: name };
  });
}

/** Undefined: not of one of the two shapes. */
function parseRow(line: string): Prompt | undefined {
  let parsed: { prompt?: unknown; messages?: unknown; adapter?: unknown };
  try {
    parsed = JSON.parse(line) as typeof parsed;
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { prompt, messages, adapter } = parsed;
  if (adapter !== undefined && typeof adapter !== 'string') return undefined;
  if (typeof prompt === 'string' && prompt !== '' && messages === undefined) return { text: prompt, adapter };
  if (prompt !== undefined || !Array.isArray(messages) || !messages.every(isMessage)) return undefined;
  return messages.length === 0 ? undefined : { conversation: { messages }, adapter };
}

const isMessage = (value: unknown): value is ChatMessage => {
  const { role, content } = (value ?? {}) as Partial<ChatMessage>;
  return typeof role === 'string' && role !== '' && typeof content === 'string';
};

/** What the model's directory can tell already: a tokenizer, a chat template, prompts that are not too long. */
export function checkAgainstModel(
  { prompt = [], chat }: GenerateOptions,
  model: ModelDirectory,
  tokenizer: Tokenizer | undefined,
): void {
  if (tokenizer === undefined)
    throw new EmlocError('FAILED_PRECONDITION', 'NO_TOKENIZER', `${model.dir} has no tokenizer.json`, {
      field: '--model',
      value: model.dir,
      mend: 'add the tokenizer of the model, or send token ids through gRPC',
    });
  if (chat && !tokenizer.hasChatTemplate)
    throw new EmlocError('FAILED_PRECONDITION', 'NO_CHAT_TEMPLATE', 'the model has no chat template', {
      field: '--chat',
      value: model.dir,
      mend: 'use an instruction-tuned model, or --prompt in place of --chat',
    });
  const most = model.config.maxPositionEmbeddings;
  for (const text of prompt) {
    const { length } = tokenizer.encode(text);
    if (length <= most) continue;
    throw new EmlocError('INVALID_ARGUMENT', 'PROMPT_LENGTH', `a prompt has ${length} tokens`, {
      field: '--prompt',
      value: `${text.slice(0, 40)}…`,
      mend: `shorten it: the model takes ${most}`,
    });
  }
}
