/**
 * Texts between special tokens, each made into ids once while it is remembered. A row's prompt is encoded by itself and
 * with its answer, a conversation up to each of its turns, and the system's turn is the same in every row. An encoder
 * makes the text between two special tokens into ids by itself, so nothing changes but the time; the few that do look
 * beyond (tokens that take the spaces around them along, a mark before the first word only) are left as they are.
 */
import type { Tokenizer } from '@huggingface/tokenizers';

type Encode = (text: string) => readonly number[];

/** Characters that are remembered, with their ids some 8 MB; then all is forgotten. */
const rememberedCharacters = 2 ** 19;

/** Without special tokens around the text. `file`: the tokenizer.json that `tokenizer` was made of. */
export function encodeBySections(tokenizer: Tokenizer, file: Readonly<Record<string, unknown>>): Encode {
  const encode: Encode = (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const added = [...tokenizer.get_added_tokens_decoder()].filter(([, { normalized }]) => !normalized);
  const looksBeyond =
    added.some(([, { lstrip, rstrip }]) => lstrip || rstrip) || marksFirstOnly(file['pre_tokenizer']);

  if (looksBeyond) return encode;
  const ids = new Map(added.map(([id, { content }]) => [content, [id]]));
  const between = splitter([...ids.keys()]);
  const known = new Map<string, readonly number[]>();
  let characters = 0;
  const encodeSection = (section: string): readonly number[] => {
    const found = ids.get(section) ?? known.get(section);
    if (found !== undefined) return found;
    const made = encode(section);
    if (characters + section.length > rememberedCharacters) {
      known.clear();
      characters = 0;
    }
    known.set(section, made);
    characters += section.length;
    return made;
  };
  return (text) => text.split(between).flatMap((section) => (section === '' ? [] : encodeSection(section)));
}

/** Keeps what it splits at: at each place the longest of the texts. */
function splitter(texts: readonly string[]): RegExp {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return escaped.length === 0 ? /(?!)/ : new RegExp(`(${escaped.join('|')})`);
}

/** Whether a mark stands before the first section only, which then is no section like another. */
function marksFirstOnly(preTokenizer: unknown): boolean {
  if (typeof preTokenizer !== 'object' || preTokenizer === null) return false;
  const { prepend_scheme: scheme, pretokenizers = [] } = preTokenizer as {
    prepend_scheme?: unknown;
    pretokenizers?: readonly unknown[];
  };
  return scheme === 'first' || pretokenizers.some(marksFirstOnly);
}
