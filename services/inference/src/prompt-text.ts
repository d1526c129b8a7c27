/** Prompts as token ids, and the text of what is generated after one: pieces that are whole, up to a stop string. */
import { EmlocError } from '@emloc/errors';
import {
  StopStrings,
  TextStream,
  type GeneratedToken,
  type ModelDirectory,
  type Tokenizer,
} from '@emloc/models';
import type { GenerationOptions, PromptContent, PromptRequest } from './generation-request.ts';

/** Each prompt's ids: at least one, within the vocabulary, no more than the model takes. */
export function promptIds(
  prompts: readonly PromptRequest[],
  { config }: ModelDirectory,
  tokenizer: Tokenizer | undefined,
): readonly (readonly number[])[] {
  return prompts.map(({ content }, i) => {
    const field = `prompts[${i}].${fieldOf(content)}`;
    const ids = idsOf(content, tokenizer, field);
    const bad = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < config.vocabSize));
    if (bad !== undefined)
      throw new EmlocError('INVALID_ARGUMENT', 'TOKEN_OUT_OF_RANGE', `${bad} is no token of this model`, {
        field,
        value: String(bad),
        mend: `ids are 0 to ${config.vocabSize - 1} for this model`,
      });
    const most = config.maxPositionEmbeddings;
    if (ids.length > 0 && ids.length <= most) return ids;
    const what = ids.length === 0 ? 'the prompt has no tokens' : `the prompt has ${ids.length} tokens`;
    throw new EmlocError('INVALID_ARGUMENT', 'PROMPT_LENGTH', `${what}; the model takes 1 to ${most}`, {
      field,
      value: String(ids.length),
      mend: ids.length === 0 ? 'give a prompt' : 'shorten the prompt',
    });
  });
}

const fieldOf = (content: PromptContent): string =>
  'text' in content ? 'text' : 'ids' in content ? 'tokens' : 'conversation';

function idsOf(content: PromptContent, tokenizer: Tokenizer | undefined, field: string): readonly number[] {
  if ('ids' in content) return content.ids;
  if (tokenizer === undefined) throw noTokenizer(field);
  if ('text' in content) return tokenizer.encode(content.text);
  const rendered = tokenizer.applyChatTemplate(content.messages, { addGenerationPrompt: true });
  return tokenizer.encode(rendered, { addSpecialTokens: false });
}

export const noTokenizer = (field: string): EmlocError =>
  new EmlocError('FAILED_PRECONDITION', 'NO_TOKENIZER', 'the model has no tokenizer', {
    field,
    mend: 'send token ids, and read the ids that come',
  });

export interface TextPiece {
  readonly text: string;
  /** A stop string came with this token. */
  readonly stopped: boolean;
}

/** Text of one prompt's tokens, as they come. Without a tokenizer there is none. */
export class PromptText {
  readonly #stream: TextStream | undefined;
  readonly #stop: StopStrings;

  constructor(
    { content }: PromptRequest,
    ids: readonly number[],
    tokenizer: Tokenizer | undefined,
    { stop }: Pick<GenerationOptions, 'stop'>,
  ) {
    // An answer in a conversation is a text of its own; the continuation of a text is not.
    const before = 'messages' in content ? [] : ids;
    this.#stream = tokenizer && new TextStream((some) => tokenizer.decode(some), before);
    this.#stop = new StopStrings(stop);
  }

  push({ id, finish }: GeneratedToken): TextPiece {
    if (this.#stream === undefined) return { text: '', stopped: false };
    let text = finish === 'eos' ? '' : this.#stop.push(this.#stream.push(id));
    if (finish !== undefined) text += this.#stop.push(this.#stream.end()) + this.#stop.end();
    return { text, stopped: this.#stop.stopped };
  }
}
