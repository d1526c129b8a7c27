/**
 * Plain text as documents: the file is one, or as many as form feeds or lines of `<|endoftext|>` part it into. A long
 * document comes in pieces that end at line ends, so that it need not be held whole; byte-level tokenizers give the
 * same tokens for the pieces as for the whole. Blank lines around a document are no part of it.
 */
import { readLines } from './lines.ts';

export interface Piece {
  readonly text: string;
  /** First or last piece of its document. */
  readonly begins: boolean;
  readonly ends: boolean;
}

const separator = /^(\f|<\|endoftext\|>)$/;
const defaultPieceChars = 256 * 1024;

export async function* readDocuments(file: string, pieceChars = defaultPieceChars): AsyncGenerator<Piece> {
  let lines: string[] = [];
  let chars = 0;
  let begins = true;
  const take = (ends: boolean): Piece[] => {
    // The line break before the next piece belongs to this one.
    const text = ends ? lines.join('\n').trimEnd() : `${lines.join('\n')}\n`;
    const piece = { text, begins, ends };
    [lines, chars, begins] = [[], 0, ends];
    return text === '' && piece.begins ? [] : [piece];
  };
  for await (const { text } of readLines(file)) {
    if (separator.test(text)) {
      yield* take(true);
      continue;
    }
    const isBlank = text.trim() === '';
    if (lines.length === 0 && begins && isBlank) continue;
    // Not before space, which belongs to the line break before it.
    if (chars >= pieceChars && !/^\s|^$/.test(text)) yield* take(false);
    lines.push(text);
    chars += text.length + 1;
  }
  yield* take(true);
}
