/**
 * What a model directory needs besides its weights, here or in transformers: configuration, tokenizer of whatever kind,
 * chat templates, licence. What comes from the hub and what goes along into emulators and merged models is this.
 */

/** As transformers writes and reads them, whatever the tokenizer. */
const needed = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'tekken.json',
  'chat_template.jinja',
  'chat_template.json',
]);

/** Names that carry a version, a model's name or an ending; named chat templates lie in a folder of their own. */
const neededPatterns = [
  /^tokenizer\.model\.v\d+$/,
  /^[^/]+\.tiktoken$/,
  /^(licen[cs]e|notice|copying)([._-][^/]*)?$/i,
  /^additional_chat_templates\/[^/]+\.jinja$/,
];

/** By the path in the directory, with `/`. */
export const isModelFile = (path: string): boolean =>
  needed.has(path) || neededPatterns.some((pattern) => pattern.test(path));
