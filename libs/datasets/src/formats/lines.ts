/** The lines of a UTF-8 file, one at a time. */
import { rowError } from '../rows.ts';
import { readBytes } from './open-bytes.ts';
import type { ReadPosition } from './read-position.ts';

/** A line beyond this is no data row; it would only fill the memory. */
export const maxRowBytes = 64 * 1024 * 1024;
const newline = 0x0a;

export interface Line {
  /** Without its end. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** The end of the file may or may not end a line. Errors: NOT_UTF8, LINE_TOO_LONG, with the line's number. */
export async function* readLines(file: string, position?: ReadPosition): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  for await (const bytes of splitLines(file, position)) {
    line++;
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw rowError({ file, line }, 'NOT_UTF8', 'the line is not UTF-8', 'save the file as UTF-8');
    }
    yield { text, line };
  }
}

async function* splitLines(file: string, position: ReadPosition | undefined): AsyncGenerator<Uint8Array> {
  let pieces: Buffer[] = [];
  let pieceBytes = 0;
  let line = 1;
  const take = (last: Buffer): Buffer => {
    const whole = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    pieces = [];
    pieceBytes = 0;
    line++;
    return whole.at(-1) === 0x0d ? whole.subarray(0, -1) : whole;
  };
  for await (const chunk of readBytes(file, position)) {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      yield take(chunk.subarray(from, at));
      from = at + 1;
    }
    if (from === chunk.length) continue;
    pieces.push(chunk.subarray(from));
    pieceBytes += chunk.length - from;
    if (pieceBytes > maxRowBytes) {
      const problem = `the line has over ${maxRowBytes} bytes`;
      throw rowError({ file, line }, 'LINE_TOO_LONG', problem, 'is this a file of one row a line?');
    }
  }
  if (pieces.length > 0) yield take(Buffer.alloc(0));
}
