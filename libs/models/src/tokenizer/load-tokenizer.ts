/**
 * Tokenizer and chat template of a model directory, by Hugging Face's own JavaScript libraries. Limits: tokenizer.json
 * only (no SentencePiece file without it). Whether its ids fit the model is asked where the model is opened.
 */
import { EmlocError } from '@emloc/errors';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../directory/read-json.ts';
import { loadChatTemplate, type ChatMessage, type ChatTemplateOptions } from './chat-template.ts';
import type { MarkedConversation } from './generation-marks.ts';
import { quicken } from './quicken.ts';
import { encodeBySections } from './section-memo.ts';
import { tokenText } from './token-text.ts';

export interface Tokenizer {
  /** Special tokens that stand in the text are found in it; `addSpecialTokens` (default true) is about those around it. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): number[];
  /** Special tokens are left out unless `skipSpecialTokens` is false. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** The conversation as text, ready for `encode` without special tokens. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
  /** The same by the template's own `{% generation %}` marks; undefined where it has none. */
  markGenerations(
    messages: readonly ChatMessage[],
    options?: ChatTemplateOptions,
  ): MarkedConversation | undefined;
  readonly hasChatTemplate: boolean;
  readonly eosTokenId: number | undefined;
  readonly bosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  idOf(token: string): number | undefined;
}

/** Undefined where the directory has no tokenizer.json: such a model serves pre-tokenized rows. */
export const loadTokenizer = (
  dir: string,
  options: {
    /** Jinja text in place of the directory's own template. */
    readonly chatTemplate?: string;
  } = {},
): Tokenizer | undefined => {
  const file = join(dir, 'tokenizer.json');
  if (!existsSync(file)) return undefined;
  const config = optionalJson(join(dir, 'tokenizer_config.json'));
  const map = optionalJson(join(dir, 'special_tokens_map.json'));
  const named = (name: string): string | undefined => tokenText(config[name]) ?? tokenText(map[name]);
  const specials = Object.fromEntries(
    ['bos_token', 'eos_token', 'pad_token', 'unk_token'].map((name) => [name, named(name)]),
  );
  const json = readJsonObject(file);
  const tokenizer = construct(file, json, { ...config, ...specials });
  const encodePlain = encodeBySections(tokenizer, json);
  const template = loadChatTemplate(dir, config, specials, options.chatTemplate);
  const idOf = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : tokenizer.token_to_id(token);
  return {
    encode: (text, { addSpecialTokens = true } = {}) =>
      addSpecialTokens ? tokenizer.encode(text).ids : encodePlain(text),
    decode: (ids, { skipSpecialTokens = true } = {}) =>
      ids.length === 0 ? '' : tokenizer.decode([...ids], { skip_special_tokens: skipSpecialTokens }),
    applyChatTemplate: (messages, options) => template.render(messages, options),
    markGenerations: (messages, options) => template.mark(messages, options),
    hasChatTemplate: template.exists,
    eosTokenId: idOf(specials['eos_token']),
    bosTokenId: idOf(specials['bos_token']),
    padTokenId: idOf(specials['pad_token']),
    idOf,
  };
};

const construct = (
  file: string,
  json: Record<string, unknown>,
  config: Record<string, unknown>,
): HuggingFaceTokenizer => {
  try {
    // As transformers 5: spaces before punctuation are text like any other unless the directory says otherwise.
    const made = new HuggingFaceTokenizer(json, { clean_up_tokenization_spaces: false, ...config });
    quicken(made);
    return made;
  } catch (error) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_TOKENIZER',
      `tokenizer.json cannot be used: ${(error as Error).message}`,
      {
        field: 'tokenizer.json',
        value: file,
        mend: 'download the tokenizer again, or give pre-tokenized rows',
        cause: error,
      },
    );
  }
};

const optionalJson = (file: string): Record<string, unknown> =>
  existsSync(file) ? readJsonObject(file) : {};
