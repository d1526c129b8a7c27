/** How far a file is read, for whoever wants to say how long the rest will take. */
export class ReadPosition {
  #share: () => number = () => 0;

  /** 0 to 1: of the file's bytes as they lie on disk, or of its rows where their number is known. Ahead of the rows given by what the reader buffers. */
  get share(): number {
    return Math.min(1, this.#share());
  }

  /** Each new reading of the file says where it stands. */
  follow(share: () => number): void {
    this.#share = share;
  }
}
