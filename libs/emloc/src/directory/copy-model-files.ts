/** What a model directory needs besides its weights: configuration, tokenizer, chat templates, licence. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

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

/** Names that carry a version, a model's name or an ending. */
const neededPatterns = [
  /^tokenizer\.model\.v\d+$/,
  /\.tiktoken$/,
  /^(licen[cs]e|notice|copying)([._-].*)?$/i,
];

/** Named chat templates lie in a folder of their own. */
const templateFolder = 'additional_chat_templates';

/** Copies them; nothing else goes along, for a repository may hold gigabytes of other formats. Gives their names. */
export function copyModelFiles(from: string, to: string): string[] {
  const names = filesIn(from).filter(isNeeded);
  const templates = filesIn(join(from, templateFolder)).filter((name) => name.endsWith('.jinja'));
  if (templates.length > 0) mkdirSync(join(to, templateFolder), { recursive: true });
  const all = [...names, ...templates.map((name) => `${templateFolder}/${name}`)];
  for (const name of all) copyFileSync(join(from, name), join(to, name));
  return all;
}

const isNeeded = (name: string): boolean =>
  needed.has(name) || neededPatterns.some((pattern) => pattern.test(name));

/** Links count as what they lead to: the cache that the hub fills is made of them. */
const filesIn = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory).filter((name) =>
        statSync(join(directory, name), { throwIfNoEntry: false })?.isFile(),
      )
    : [];
