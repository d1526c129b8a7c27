/** Chat templates: where a directory keeps them, and rendering. The language is Jinja, as transformers runs it. */
import { EmlocError } from '@emloc/errors';
import { Template } from '@huggingface/jinja';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markGenerations, spansOf, type MarkedConversation } from './generation-marks.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** What else a template may look at: tool_calls, name, reasoning_content, … */
  readonly [extra: string]: unknown;
}

export interface ChatTemplateOptions {
  /** End with what opens the assistant's turn. Default: false. */
  readonly addGenerationPrompt?: boolean;
  /** Descriptions of tools (JSON schemas of functions), for the template to write out. */
  readonly tools?: readonly unknown[];
}

export interface ChatTemplate {
  readonly exists: boolean;
  render(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
  /** By the template's own `{% generation %}` marks; undefined where it has none. */
  mark(messages: readonly ChatMessage[], options?: ChatTemplateOptions): MarkedConversation | undefined;
}

/** The directory's own: `chat_template.jinja` wins over `chat_template` in tokenizer_config.json, as in transformers. */
export const templateText = (dir: string, config: Readonly<Record<string, unknown>>): string | undefined => {
  const file = join(dir, 'chat_template.jinja');
  return existsSync(file) ? readFileSync(file, 'utf8') : defaultTemplate(config['chat_template']);
};

/** `given` wins over the directory's own. */
export const loadChatTemplate = (
  dir: string,
  config: Readonly<Record<string, unknown>>,
  specialTokens: Readonly<Record<string, string | undefined>>,
  given?: string,
): ChatTemplate => {
  const text = given ?? templateText(dir, config);
  const parsed = new Map<string, Template>();
  const render = (
    template: string,
    messages: readonly ChatMessage[],
    { addGenerationPrompt = false, tools }: ChatTemplateOptions = {},
  ): string => {
    const found = parsed.get(template) ?? parse(template);
    parsed.set(template, found);
    try {
      return found.render({
        ...specialTokens,
        messages: messages.map((m) => ({ ...m })),
        add_generation_prompt: addGenerationPrompt,
        ...(tools === undefined ? {} : { tools }),
      });
    } catch (error) {
      // Templates refuse conversations by `raise_exception`, whose text is for the user.
      throw bad('CHAT_TEMPLATE_REFUSED', (error as Error).message, error, 'check roles and their order');
    }
  };
  return {
    exists: text !== undefined,
    render: (messages, options) => {
      if (text === undefined) throw noTemplate(dir);
      return render(text, messages, options);
    },
    mark: (messages, options) => {
      if (text === undefined) throw noTemplate(dir);
      const marking = markGenerations(text);
      if (marking === undefined) return undefined;
      return spansOf(render(marking, messages, options), render(text, messages, options));
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
    mend: 'use an instruction-tuned model, give a template (--chat-template), or prompt and completion as texts',
  });

const bad = (reason: string, message: string, cause: unknown, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', reason, message, { field: 'chat_template', mend, cause });
