/** What this library asks of a tokenizer; `@emloc/models` has one that fits. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** What else a template may look at: tool_calls, name, reasoning_content, … */
  readonly [extra: string]: unknown;
}

export interface ChatOptions {
  /** End with what opens the assistant's turn. Default: false. */
  readonly addGenerationPrompt?: boolean;
  /** Descriptions of tools, for the template to write out. */
  readonly tools?: readonly unknown[];
}

/** A conversation as text, and which parts of it the template says the assistant generates: [begin, end) in it. */
export interface MarkedConversation {
  readonly text: string;
  readonly spans: readonly (readonly [begin: number, end: number])[];
}

export interface TextTokenizer {
  /** Special tokens that stand in the text are found in it; `addSpecialTokens` (default true) is about those around it. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): readonly number[];
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** The conversation as text, ready for `encode` without special tokens. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /** The same by the template's own `{% generation %}` marks; undefined where it has none. */
  markGenerations?(messages: readonly ChatMessage[], options?: ChatOptions): MarkedConversation | undefined;
  readonly hasChatTemplate?: boolean;
  readonly eosTokenId: number | undefined;
}
