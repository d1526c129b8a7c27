/** Special tokens of tokenizer_config.json and special_tokens_map.json are written as text or as `{ content }`. */
export const tokenText = (token: unknown): string | undefined => {
  if (typeof token === 'string') return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
};
