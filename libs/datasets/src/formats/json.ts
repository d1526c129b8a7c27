/**
 * JSON: a list of objects, cut into its elements as they come, so that a list of any length can be read (JSON.parse
 * needs the whole of it) and each row's line is known. Also one object that holds the list, or is the one row; that is
 * read whole.
 */
import { fileError, rowError } from '../rows.ts';
import { isObject, parseObject } from './json-lines.ts';
import { maxRowBytes } from './lines.ts';
import { readBytes } from './open-bytes.ts';
import type { ReadPosition } from './read-position.ts';
import type { DataRecord } from './records.ts';

const mend = 'write a list of objects: [{"prompt": "…", "completion": "…"}, …]';
/** Under which the rows of an object stand. */
export const listNames = ['data', 'rows', 'examples', 'train', 'instances'];

export async function* readJson(file: string, position?: ReadPosition): AsyncGenerator<DataRecord> {
  const splitter = new ElementSplitter(file);
  for await (const chunk of readBytes(file, position)) {
    for (const { bytes, line } of splitter.push(chunk)) {
      const place = { file, line };
      yield { place, value: parseObject(decode(bytes, file, line), place, mend) };
    }
  }
  const whole = splitter.end();
  if (whole !== undefined) yield* rowsOfObject(decode(whole, file, 1), file);
}

function* rowsOfObject(text: string, file: string): Generator<DataRecord> {
  const object = parseObject(text, { file, line: 1 }, mend);
  const name = listNames.find((key) => Array.isArray(object[key]));
  const rows = name === undefined ? [object] : (object[name] as unknown[]);
  for (const [i, value] of rows.entries()) {
    const place = { file, line: i + 1, unit: 'row' } as const;
    if (!isObject(value)) throw rowError(place, 'MALFORMED_LINE', 'not a JSON object', mend);
    yield { place, value };
  }
}

function decode(bytes: Uint8Array, file: string, line: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw rowError({ file, line }, 'NOT_UTF8', 'the row is not UTF-8', 'save the file as UTF-8');
  }
}

interface Element {
  readonly bytes: Uint8Array;
  /** The line of the file where it begins. */
  readonly line: number;
}

const [quote, backslash, newline, comma] = [0x22, 0x5c, 0x0a, 0x2c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];
const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09;

/** Cuts a list at the commas of its own depth; brackets within strings do not count. */
class ElementSplitter {
  readonly #file: string;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #line = 1;
  #elementLine = 1;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether anything but space stands in the element so far. */
  #started = false;
  /** The list: not begun, within, or ended; `object` where the file is one object. */
  #state: 'before' | 'list' | 'after' | 'object' = 'before';
  #elements = 0;

  constructor(file: string) {
    this.#file = file;
  }

  *push(chunk: Buffer): Generator<Element> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte === newline) this.#line++;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
        continue;
      }
      if (isSpace(byte)) continue;
      if (this.#state !== 'list') {
        if (this.#state === 'before' && at < 3 && byte >= 0x80) continue;
        from = this.#outside(byte, at, from);
        continue;
      }
      if (this.#depth === 1 && (byte === comma || byte === closeList)) {
        const element = this.#take(chunk.subarray(from, at), byte === comma);
        if (element !== undefined) yield element;
        from = at + 1;
        if (byte === closeList) this.#state = 'after';
        continue;
      }
      if (!this.#started) [this.#started, this.#elementLine] = [true, this.#line];
      if (byte === quote) this.#inString = true;
      else if (byte === openList || byte === openObject) this.#depth++;
      else if (byte === closeList || byte === closeObject) this.#depth--;
    }
    if (this.#state === 'list' || this.#state === 'object') this.#keep(chunk.subarray(from));
  }

  /** The one object of the file, where it is no list. Errors: a list that does not end. */
  end(): Uint8Array | undefined {
    if (this.#state === 'object') return Buffer.concat(this.#pieces);
    if (this.#state === 'after') return undefined;
    const place = { file: this.#file, line: this.#line };
    throw rowError(place, 'MALFORMED_LINE', 'not JSON: the list does not end', 'is the file whole?');
  }

  #outside(byte: number, at: number, from: number): number {
    if (this.#state === 'object') return from;
    if (this.#state === 'before' && byte === openList) {
      [this.#state, this.#depth] = ['list', 1];
      return at + 1;
    }
    if (this.#state === 'before' && byte === openObject) {
      this.#state = 'object';
      return at;
    }
    const problem = this.#state === 'after' ? 'something follows the list' : 'not a list or an object';
    throw rowError({ file: this.#file, line: this.#line }, 'MALFORMED_LINE', `not JSON: ${problem}`, mend);
  }

  #take(last: Uint8Array, more: boolean): Element | undefined {
    this.#keep(last);
    const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Uint8Array) : Buffer.concat(this.#pieces);
    const line = this.#started ? this.#elementLine : this.#line;
    const isEmpty = !this.#started;
    [this.#pieces, this.#bytes, this.#started] = [[], 0, false];
    if (isEmpty && !more && this.#elements === 0) return undefined;
    this.#elements++;
    if (!isEmpty) return { bytes, line };
    throw rowError({ file: this.#file, line }, 'MALFORMED_LINE', 'not JSON: nothing between commas', mend);
  }

  #keep(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes <= maxRowBytes) return;
    if (this.#state === 'object') {
      const problem = `is one object of over ${maxRowBytes} bytes`;
      throw fileError(this.#file, 'OBJECT_TOO_LONG', problem, 'write JSON lines, or a list of objects');
    }
    const place = { file: this.#file, line: this.#elementLine };
    throw rowError(place, 'LINE_TOO_LONG', `the row has over ${maxRowBytes} bytes`, mend);
  }
}
