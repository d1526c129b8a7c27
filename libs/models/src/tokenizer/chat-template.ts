/** Chat templates: where a directory keeps them, and rendering. The language is Jinja, as transformers runs it. */
import { EmlocError } from '@emloc/errors';
import { Template } from '@huggingface/jinja';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ChatTemplateOptions {
  /** End with what opens the assistant's turn. Default: false. */
  readonly addGenerationPrompt?: boolean;
}

export interface ChatTemplate {
  readonly exists: boolean;
  render(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
}

/** `chat_template.jinja` wins over `chat_template` in tokenizer_config.json, as in transformers. */
export const loadChatTemplate = (
  dir: string,
  config: Readonly<Record<string, unknown>>,
  specialTokens: Readonly<Record<string, string | undefined>>,
): ChatTemplate => {
  const file = join(dir, 'chat_template.jinja');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : defaultTemplate(config['chat_template']);
  let parsed: Template | undefined;
  return {
    exists: text !== undefined,
    render: (messages, { addGenerationPrompt = false } = {}) => {
      if (text === undefined) throw noTemplate(dir);
      parsed ??= parse(text);
      try {
        return parsed.render({
          ...specialTokens,
          messages: messages.map((m) => ({ ...m })),
          add_generation_prompt: addGenerationPrompt,
        });
      } catch (error) {
        // Templates refuse conversations by `raise_exception`, whose text is for the user.
        throw bad('CHAT_TEMPLATE_REFUSED', (error as Error).message, error, 'check roles and their order');
      }
    },
  };
};

/** A text, or a list of named ones of which "default" is meant. */
const defaultTemplate = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const found = named.find(({ name }) => name === 'default') ?? (named.length === 1 ? named[0] : undefined);
  return typeof found?.template === 'string' ? found.template : undefined;
};

const parse = (text: string): Template => {
  try {
    return new Template(text);
  } catch (error) {
    const message = `the chat template cannot be read: ${(error as Error).message}`;
    throw bad('BAD_CHAT_TEMPLATE', message, error, 'correct it, or give prompt and completion as texts');
  }
};

const noTemplate = (dir: string): EmlocError =>
  new EmlocError('FAILED_PRECONDITION', 'NO_CHAT_TEMPLATE', 'the model has no chat template', {
    field: 'chat_template',
    value: dir,
    mend: 'use an instruction-tuned model, or give prompt and completion as texts',
  });

const bad = (reason: string, message: string, cause: unknown, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', reason, message, { field: 'chat_template', mend, cause });
