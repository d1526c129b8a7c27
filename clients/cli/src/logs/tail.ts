/** A log file read line by line, from its begin and then as it grows; one that is put aside or cut is read anew. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const chunkBytes = 1 << 20;

export class Tail {
  readonly #path: string;
  #inode = 0;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** The whole lines that came since the last call; none where there is no file. */
  read(): string[] {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return [];
    }
    try {
      return this.#readFrom(file);
    } finally {
      closeSync(file);
    }
  }

  #readFrom(file: number): string[] {
    const { ino, size } = fstatSync(file);
    if (ino !== this.#inode || size < this.#offset) {
      this.#inode = ino;
      this.#offset = 0;
      this.#rest = Buffer.alloc(0);
    }
    const pieces = [this.#rest];
    while (this.#offset < size) {
      const piece = Buffer.alloc(Math.min(chunkBytes, size - this.#offset));
      const read = readSync(file, piece, 0, piece.length, this.#offset);
      if (read === 0) break;
      this.#offset += read;
      pieces.push(piece.subarray(0, read));
    }
    const all = Buffer.concat(pieces);
    const end = all.lastIndexOf('\n') + 1;
    this.#rest = all.subarray(end);
    return all.toString('utf8', 0, end).split('\n').slice(0, -1);
  }
}
