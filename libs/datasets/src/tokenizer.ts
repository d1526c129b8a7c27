/** What this library asks of a tokenizer; `@emloc/models` has one that fits. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface TextTokenizer {
  /** Special tokens that stand in the text are found in it; `addSpecialTokens` (default true) is about those around it. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): readonly number[];
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** The conversation as text, ready for `encode` without special tokens. */
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: { readonly addGenerationPrompt?: boolean },
  ): string;
  readonly eosTokenId: number | undefined;
}
