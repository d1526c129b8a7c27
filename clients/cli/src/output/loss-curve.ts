/**
 * The losses of a training as text: dots of braille (two by four in a letter) where the terminal knows UTF-8, else stars.
 * Steps of the stages follow one another; losses on held-out rows are marked.
 */
import { formatNumber } from './format.ts';

export interface CurveSize {
  /** Letters of a line, and lines of the plot itself. */
  readonly columns: number;
  readonly rows: number;
  readonly unicode: boolean;
}

interface Point {
  readonly step: number;
  readonly loss: number;
}

const leastColumns = 30;
const labelColumns = 9;

export class LossCurve {
  readonly #steps: Point[] = [];
  readonly #evaluations: Point[] = [];
  /** Where each stage begins, in steps of all. */
  readonly #stages: { readonly name: string; readonly offset: number }[] = [];
  #last = 0;

  addStep(stage: string, step: number, loss: number): void {
    this.#add(this.#steps, stage, step, loss);
  }

  addEvaluation(stage: string, step: number, loss: number): void {
    this.#add(this.#evaluations, stage, step, loss);
  }

  /** No lines where there is nothing to see yet, or no room. */
  render(size: CurveSize): string[] {
    if (this.#steps.length < 2 || size.columns < leastColumns) return [];
    const columns = size.columns - labelColumns - 1;
    const canvas = new Canvas(columns, size.rows, size.unicode);
    const all = [...this.#steps, ...this.#evaluations].map(({ loss }) => loss);
    const [low, high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
    const first = this.#steps[0]?.step ?? 1;
    const x = (step: number): number => (step - first) / Math.max(1, this.#last - first);
    const y = (loss: number): number => (high === low ? 0.5 : (loss - low) / (high - low));
    for (const [index, point] of this.#steps.entries()) {
      const before = this.#steps[Math.max(0, index - 1)] ?? point;
      canvas.line(x(before.step), y(before.loss), x(point.step), y(point.loss));
    }
    for (const { step, loss } of this.#evaluations) canvas.mark(x(step), y(loss));
    return [
      ...this.#withLabels(canvas.lines(), low, high, size.unicode),
      ...this.#axis(columns, x, size.unicode),
    ];
  }

  #add(points: Point[], stage: string, step: number, loss: number): void {
    if (!Number.isFinite(loss)) return;
    if (this.#stages.at(-1)?.name !== stage) this.#stages.push({ name: stage, offset: this.#last });
    const at = (this.#stages.at(-1)?.offset ?? 0) + step;
    // A step that is done again after a stop takes the place of what came after it.
    while (points.length > 0 && (points.at(-1)?.step ?? 0) >= at) points.pop();
    points.push({ step: at, loss });
    this.#last = Math.max(this.#last, at);
  }

  #withLabels(lines: readonly string[], low: number, high: number, unicode: boolean): string[] {
    const [tick, bar] = unicode ? ['┤', '│'] : ['+', '|'];
    const labels = new Map([
      [0, formatNumber(high)],
      [lines.length - 1, formatNumber(low)],
    ]);
    return lines.map((line, row) => {
      const label = labels.get(row);
      return `${(label ?? '').padStart(labelColumns)}${label === undefined ? bar : tick}${line}`.trimEnd();
    });
  }

  /** The steps under the plot, and the stages where they begin. */
  #axis(columns: number, x: (step: number) => number, unicode: boolean): string[] {
    const [corner, rule, dot] = unicode ? ['└', '─', '●'] : ['+', '-', 'o'];
    const end = ` step ${this.#last}`;
    let names = '';
    for (const { name, offset } of this.#stages) {
      const from = Math.round(x(offset + 1) * (columns - 1));
      names = `${names.padEnd(names === '' ? 0 : Math.max(from, names.length + 1))}${name}`;
    }
    const legend = this.#evaluations.length === 0 ? '' : `   ${dot} held-out rows`;
    const pad = ' '.repeat(labelColumns);
    return [
      `${pad}${corner}${rule.repeat(Math.max(0, columns - end.length))}${end}`,
      `${pad} ${`${names}${legend}`.slice(0, columns)}`,
    ];
  }
}

/** Bits of a braille letter, by column and row of its dots. */
const brailleBits = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

class Canvas {
  readonly #columns: number;
  readonly #rows: number;
  readonly #unicode: boolean;
  readonly #cells: Uint8Array;
  readonly #marked: Uint8Array;
  /** Dots of a letter. */
  readonly #across: number;
  readonly #down: number;

  constructor(columns: number, rows: number, unicode: boolean) {
    this.#columns = columns;
    this.#rows = rows;
    this.#unicode = unicode;
    this.#across = unicode ? 2 : 1;
    this.#down = unicode ? 4 : 1;
    this.#cells = new Uint8Array(columns * rows);
    this.#marked = new Uint8Array(columns * rows);
  }

  /** Between two points of the unit square, y upwards. */
  line(x0: number, y0: number, x1: number, y1: number): void {
    const [from, to] = [this.#dot(x0, y0), this.#dot(x1, y1)];
    const steps = Math.max(1, Math.abs(to.x - from.x), Math.abs(to.y - from.y));
    for (let i = 0; i <= steps; i += 1) {
      this.#set(
        Math.round(from.x + ((to.x - from.x) * i) / steps),
        Math.round(from.y + ((to.y - from.y) * i) / steps),
      );
    }
  }

  mark(x: number, y: number): void {
    const dot = this.#dot(x, y);
    this.#marked[this.#cell(dot.x, dot.y)] = 1;
  }

  lines(): string[] {
    return Array.from({ length: this.#rows }, (_, row) =>
      Array.from({ length: this.#columns }, (_, column) => this.#letter(row * this.#columns + column)).join(
        '',
      ),
    );
  }

  #letter(cell: number): string {
    if (this.#marked[cell]) return this.#unicode ? '●' : 'o';
    const bits = this.#cells[cell] ?? 0;
    if (bits === 0) return ' ';
    return this.#unicode ? String.fromCharCode(0x2800 + bits) : '*';
  }

  #dot(x: number, y: number): { readonly x: number; readonly y: number } {
    return {
      x: Math.round(x * (this.#columns * this.#across - 1)),
      y: Math.round((1 - y) * (this.#rows * this.#down - 1)),
    };
  }

  #cell(x: number, y: number): number {
    return Math.floor(y / this.#down) * this.#columns + Math.floor(x / this.#across);
  }

  #set(x: number, y: number): void {
    const bit = brailleBits[x % this.#across]?.[y % this.#down] ?? 1;
    const cell = this.#cell(x, y);
    this.#cells[cell] = (this.#cells[cell] ?? 0) | bit;
  }
}
