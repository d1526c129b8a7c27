/**
 * Does every id that the tokenizer gives have a row in the model's embedding? transformers does not ask, and fails in the
 * middle of a run. A larger embedding is usual (padded vocabularies). Published models also have added tokens beyond it
 * (Gemma 3's text models: a mark for pictures), which no text holds unless somebody writes them out: those are left alone,
 * and a row that has one is refused by its line. What ordinary text, the model's end-of-text and begin tokens, what the
 * tokenizer puts around a text, and the chat template use has to be there.
 */
import { EmlocError } from '@emloc/errors';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../directory/read-json.ts';
import { templateText } from './chat-template.ts';
import { tokenText } from './token-text.ts';

interface Id {
  readonly id: number;
  readonly token: string;
}

/** The highest id in use, by tokenizer.json as it is on disk: large ones take half a second to read. */
const known = new Map<string, Id | undefined>();
const knownAtMost = 16;

/** Errors: VOCABULARY_TOO_SMALL. A directory without tokenizer.json passes. */
export function checkVocabulary(dir: string, vocabSize: number): void {
  const highest = highestInUse(dir);
  if (highest === undefined || highest.id < vocabSize) return;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'VOCABULARY_TOO_SMALL',
    `the tokenizer has ids up to ${highest.id} (${JSON.stringify(highest.token)}), but the model's vocab_size is ${vocabSize}`,
    {
      field: 'tokenizer.json',
      value: String(highest.id),
      mend: 'put the tokenizer beside it that belongs to the model, or enlarge the model with transformers: resize_token_embeddings(len(tokenizer)), save_pretrained',
    },
  );
}

function highestInUse(dir: string): Id | undefined {
  const file = join(dir, 'tokenizer.json');
  if (!existsSync(file)) return undefined;
  const states = [file, join(dir, 'tokenizer_config.json'), join(dir, 'chat_template.jinja')].map((name) => {
    const found = statSync(name, { throwIfNoEntry: false });
    return `${name} ${found?.size} ${found?.mtimeMs}`;
  });
  const key = states.join('\n');
  if (!known.has(key)) {
    if (known.size >= knownAtMost) known.clear();
    known.set(key, highestOf(idsInUse(dir, readJsonObject(file))));
  }
  return known.get(key);
}

function* idsInUse(dir: string, json: Readonly<Record<string, unknown>>): Generator<Id> {
  const model = json['model'] as { readonly vocab?: unknown } | undefined;
  yield* vocabularyOf(model?.vocab);
  const configFile = join(dir, 'tokenizer_config.json');
  const config = existsSync(configFile) ? readJsonObject(configFile) : {};
  const template = templateText(dir, config) ?? '';
  const around = idsAround(json['post_processor']);
  const named = ['bos_token', 'eos_token', 'unk_token'].map((name) => tokenText(config[name]));
  for (const { id, content } of addedTokens(json['added_tokens'])) {
    if (around.has(id) || named.includes(content) || template.includes(content)) yield { id, token: content };
  }
}

/** By token, or of unigram a list whose places are the ids. */
function* vocabularyOf(vocab: unknown): Generator<Id> {
  if (Array.isArray(vocab)) {
    const [token] = (vocab.at(-1) ?? ['']) as [unknown];
    yield { id: vocab.length - 1, token: String(token) };
  } else if (typeof vocab === 'object' && vocab !== null) {
    for (const [token, id] of Object.entries(vocab)) if (typeof id === 'number') yield { id, token };
  }
}

function addedTokens(list: unknown): { readonly id: number; readonly content: string }[] {
  if (!Array.isArray(list)) return [];
  return (list as ({ readonly id?: unknown; readonly content?: unknown } | null)[]).flatMap((token) =>
    typeof token?.id === 'number' && typeof token.content === 'string' && token.content !== ''
      ? [{ id: token.id, content: token.content }]
      : [],
  );
}

/** Ids that stand anywhere in the post-processor: `ids` of templates, `[token, id]` of BERT's and RoBERTa's. */
function idsAround(processor: unknown, ids = new Set<number>()): Set<number> {
  if (Array.isArray(processor)) {
    const [token, id] = processor as unknown[];
    if (typeof token === 'string' && typeof id === 'number') ids.add(id);
    else for (const part of processor) idsAround(part, ids);
  } else if (typeof processor === 'object' && processor !== null) {
    for (const [name, part] of Object.entries(processor)) {
      if (name === 'ids' && Array.isArray(part)) for (const id of part) ids.add(Number(id));
      else idsAround(part, ids);
    }
  }
  return ids;
}

function highestOf(ids: Iterable<Id>): Id | undefined {
  let highest: Id | undefined;
  for (const one of ids) if (highest === undefined || one.id > highest.id) highest = one;
  return highest;
}
