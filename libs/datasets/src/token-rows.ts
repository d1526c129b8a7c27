/**
 * Rows of tokens on disk, however many: written once, then read by number. In memory stay a few numbers a row. The file
 * has no name (it is removed while open), so nothing is left whatever becomes of the process. It lies in TMPDIR, else in
 * /var/tmp, which is on a disk where /tmp is not.
 */
import {
  accessSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import type { RowPlace } from './rows.ts';
import { ignoredLabel, type TokenizedRow } from './tokenize-rows.ts';

/** What is known of each row without reading it. */
interface Index {
  /** In the file, bytes. */
  readonly offsets: Float64Array;
  readonly lengths: Int32Array;
  readonly labelled: Int32Array;
  readonly completionBegins: Int32Array;
  readonly completionEnds: Int32Array;
  readonly lines: Float64Array;
}

const bytesOfToken = 8;
const bufferBytes = 4 * 1024 * 1024;

export class TokenRows implements Disposable {
  readonly #fd: number;
  readonly #index: Index;
  readonly #file: string;
  readonly #unit: RowPlace['unit'];
  #isOpen = true;
  /** Of all rows together. */
  readonly tokens: number;
  /** Tokens of the longest row. */
  readonly longest: number;

  constructor(fd: number, index: Index, place: Pick<RowPlace, 'file' | 'unit'>) {
    this.#fd = fd;
    this.#index = index;
    this.#file = place.file;
    this.#unit = place.unit;
    this.tokens = index.lengths.reduce((sum, length) => sum + length, 0);
    this.longest = index.lengths.reduce((most, length) => Math.max(most, length), 0);
  }

  get length(): number {
    return this.#index.lengths.length;
  }

  /** Tokens of each row. */
  get lengths(): Int32Array {
    return this.#index.lengths;
  }

  /** Tokens of each row that carry a loss. */
  get labelled(): Int32Array {
    return this.#index.labelled;
  }

  /** Row `i`, read from the disk. */
  at(i: number): TokenizedRow {
    const { offsets, lengths, completionBegins, completionEnds, lines } = this.#index;
    const length = lengths[i];
    if (length === undefined) throw new RangeError(`row ${i} of ${this.length}`);
    const both = new Int32Array(2 * length);
    readSync(this.#fd, both, 0, both.byteLength, offsets[i] as number);
    const inputIds = both.subarray(0, length);
    return {
      file: this.#file,
      line: lines[i] as number,
      ...(this.#unit === undefined ? {} : { unit: this.#unit }),
      inputIds,
      labels: both.subarray(length),
      promptIds: inputIds.subarray(0, completionBegins[i]),
      completionIds: inputIds.subarray(completionBegins[i], completionEnds[i]),
    };
  }

  *[Symbol.iterator](): Generator<TokenizedRow> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** Some of the rows, in the order given. They take this one's place: it cannot be read any more. */
  pick(rows: readonly number[]): TokenRows {
    const index = this.#index;
    const picked: Index = {
      offsets: Float64Array.from(rows, (row) => index.offsets[row] as number),
      lengths: Int32Array.from(rows, (row) => index.lengths[row] as number),
      labelled: Int32Array.from(rows, (row) => index.labelled[row] as number),
      completionBegins: Int32Array.from(rows, (row) => index.completionBegins[row] as number),
      completionEnds: Int32Array.from(rows, (row) => index.completionEnds[row] as number),
      lines: Float64Array.from(rows, (row) => index.lines[row] as number),
    };
    this.#isOpen = false;
    return new TokenRows(this.#fd, picked, { file: this.#file, unit: this.#unit });
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

/** Takes rows one after another; ended by `finish`, or by `abandon`. */
export class TokenRowsWriter {
  readonly #fd = openUnnamed();
  readonly #buffer = new Int32Array(bufferBytes / 4);
  #buffered = 0;
  #written = 0;
  readonly #rows = {
    offsets: new Growing(Float64Array),
    lengths: new Growing(Int32Array),
    labelled: new Growing(Int32Array),
    completionBegins: new Growing(Int32Array),
    completionEnds: new Growing(Int32Array),
    lines: new Growing(Float64Array),
  };
  #place: Pick<RowPlace, 'file' | 'unit'> = { file: '' };

  add({ file, line, unit, inputIds, labels, promptIds, completionIds }: TokenizedRow): void {
    this.#place = { file, unit };
    this.#rows.offsets.push((this.#written + this.#buffered) * 4);
    this.#rows.lengths.push(inputIds.length);
    this.#rows.labelled.push(labels.reduce((n, label) => n + (label === ignoredLabel ? 0 : 1), 0));
    this.#rows.completionBegins.push(promptIds.length);
    this.#rows.completionEnds.push(promptIds.length + completionIds.length);
    this.#rows.lines.push(line);
    this.#put(inputIds);
    this.#put(labels);
  }

  get length(): number {
    return this.#rows.lengths.length;
  }

  finish(): TokenRows {
    this.#flush();
    const { offsets, lengths, labelled, completionBegins, completionEnds, lines } = this.#rows;
    const index: Index = {
      offsets: offsets.values(),
      lengths: lengths.values(),
      labelled: labelled.values(),
      completionBegins: completionBegins.values(),
      completionEnds: completionEnds.values(),
      lines: lines.values(),
    };
    return new TokenRows(this.#fd, index, this.#place);
  }

  abandon(): void {
    closeSync(this.#fd);
  }

  #put(numbers: Int32Array): void {
    if (this.#buffered + numbers.length > this.#buffer.length) this.#flush();
    if (numbers.length > this.#buffer.length) return this.#write(numbers);
    this.#buffer.set(numbers, this.#buffered);
    this.#buffered += numbers.length;
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #write(numbers: Int32Array): void {
    let done = 0;
    try {
      while (done < numbers.byteLength) {
        done += writeSync(this.#fd, numbers, done, numbers.byteLength - done, this.#written * 4 + done);
      }
    } catch (error) {
      const told = EmlocError.from(error);
      throw told.reason === 'DISK_FULL'
        ? told.with({ value: scratch(), mend: `free ${bytesOfToken} bytes a token there, or set TMPDIR` })
        : told;
    }
    this.#written += numbers.length;
  }
}

/** A typed array that grows by doubling. */
class Growing<T extends Int32Array | Float64Array> {
  readonly #make: new (length: number) => T;
  #values: T;
  length = 0;

  constructor(make: new (length: number) => T) {
    this.#make = make;
    this.#values = new make(1024);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new this.#make(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  values(): T {
    return this.#values.slice(0, this.length) as T;
  }
}

function openUnnamed(): number {
  try {
    const directory = mkdtempSync(join(scratch(), 'emloc-tokens-'));
    try {
      return openSync(join(directory, 'rows'), 'wx+', 0o600);
    } finally {
      rmSync(directory, { recursive: true });
    }
  } catch (error) {
    throw EmlocError.from(error);
  }
}

function scratch(): string {
  const chosen = process.env['TMPDIR'];
  if (chosen !== undefined && chosen !== '') return chosen;
  try {
    accessSync('/var/tmp', constants.W_OK);
    return '/var/tmp';
  } catch {
    return tmpdir();
  }
}
