/** Plain aligned columns: words to the left, numbers to the right, so that `awk` and eyes both read them. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export type Cell = string | number | undefined;

/** The table as lines; an absent cell is a dash. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => columns.map((_, index) => text(row[index])));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...texts.map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => place(cell, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join('  ')
      .trimEnd();
  const head = line(columns.map((column) => column.title));
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [head, rule, ...texts.map(line)].join('\n');
}

/** `name  value` lines, for a single object. */
export function pairs(entries: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${text(value)}`).join('\n');
}

const text = (cell: Cell): string => (cell === undefined ? '-' : String(cell));
const place = (cell: string, width: number, align: 'left' | 'right'): string =>
  align === 'right' ? cell.padStart(width) : cell.padEnd(width);
