/** A JSONL file, row by row: one JSON object a line, UTF-8. Every line is checked; none is skipped. */
import { createReadStream } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { parseRow } from './parse-row.ts';
import { rowError, type Row } from './rows.ts';

/** A line beyond this is no data row; it would only fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;
const newline = 0x0a;

export async function* readRows(file: string): AsyncGenerator<Row> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  for await (const bytes of readLines(file)) {
    line++;
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw rowError({ file, line }, 'NOT_UTF8', 'the line is not UTF-8', 'save the file as UTF-8');
    }
    yield parseRow(text, { file, line });
  }
}

/** The lines without their ends; the end of the file may or may not end a line. */
async function* readLines(file: string): AsyncGenerator<Uint8Array> {
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
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        yield take(chunk.subarray(from, at));
        from = at + 1;
      }
      if (from === chunk.length) continue;
      pieces.push(chunk.subarray(from));
      pieceBytes += chunk.length - from;
      if (pieceBytes > maxLineBytes) {
        throw rowError(
          { file, line },
          'LINE_TOO_LONG',
          `the line has over ${maxLineBytes} bytes`,
          'is this a JSONL file?',
        );
      }
    }
  } catch (error) {
    throw EmlocError.from(error);
  }
  if (pieces.length > 0) yield take(Buffer.alloc(0));
}
