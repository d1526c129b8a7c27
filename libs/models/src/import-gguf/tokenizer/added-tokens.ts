/** What is the same for every kind of tokenizer: tokens that are found before anything else, and those put around a text. */
import { damaged } from '../errors.ts';
import type { GgufMetadata } from '../metadata.ts';

/** llama.cpp's token types. */
const tokenType = { unknown: 2, control: 3, userDefined: 4 } as const;

/** One of llama.cpp's types a token; all are normal where the file does not say. */
export function tokenTypes(
  metadata: GgufMetadata,
  tokens: readonly string[],
  fileName: string,
): readonly number[] {
  const types = metadata.optionalNumbers('tokenizer.ggml.token_type') ?? tokens.map(() => 1);
  if (types.length === tokens.length) return types;
  const problem = `has ${types.length} token types for ${tokens.length} tokens`;
  throw damaged(fileName, problem, 'tokenizer.ggml.token_type', `${types.length}`);
}

/** Which special tokens are put around a text. */
export interface SpecialIds {
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Marks of an end by their names, where the file does not call them control tokens; as llama.cpp does. */
const endsOfText = ['</s>', '<eos>', '<|endoftext|>', '<|end_of_text|>', '[EOS]'];
const endsOfTurn = ['<|eot_id|>', '<|eom_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>', '<EOT>', '[EOT]'];

/** Ids of the tokens that end a text or a turn by their names. */
export function endTokens(tokens: readonly string[]): { readonly text: number[]; readonly turn: number[] } {
  const idsOf = (names: readonly string[]): number[] =>
    tokens.flatMap((token, id) => (names.includes(token) ? [id] : []));
  return { text: idsOf(endsOfText), turn: idsOf(endsOfTurn) };
}

/** Tokens that are found in the text before anything else: control tokens, and what the model's authors added. */
export function addedToken(content: string, id: number, type: number): object[] {
  const special = type === tokenType.control || type === tokenType.unknown || endsOfTurn.includes(content);
  if (!special && type !== tokenType.userDefined) return [];
  return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
}

export function postProcessor(tokens: readonly string[], { before, after }: SpecialIds): object | null {
  if (before === undefined && after === undefined) return null;
  const special = (id: number | undefined, type_id: number): object[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id]!, type_id } }];
  const around = (name: string, type_id: number): object[] => [
    ...special(before, type_id),
    { Sequence: { id: name, type_id } },
    ...special(after, type_id),
  ];
  const ids = [...new Set([before, after])].filter((id) => id !== undefined);
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(
      ids.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }]),
    ),
  };
}
