/** Which bytes of something were written: disjoint ranges, sorted. Pieces that follow each other stay one range. */
export class WrittenRanges {
  #ranges: [number, number][] = [];

  add(begin: number, end: number): void {
    const apart = this.#ranges.filter(([b, e]) => e < begin || b > end);
    const touching = this.#ranges.filter(([b, e]) => e >= begin && b <= end);
    const merged: [number, number] = [
      Math.min(begin, ...touching.map(([b]) => b)),
      Math.max(end, ...touching.map(([, e]) => e)),
    ];
    this.#ranges = [...apart, merged].sort((x, y) => x[0] - y[0]);
  }

  covers(bytes: number): boolean {
    if (bytes === 0) return true;
    const first = this.#ranges[0];
    return first !== undefined && first[0] === 0 && first[1] === bytes;
  }
}
