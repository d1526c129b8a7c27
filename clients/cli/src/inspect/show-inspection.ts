/** An inspection as people and as machines read it. */
import { pairs, type Cell } from '../output/table.ts';
import type { Inspection } from './inspect-data.ts';

const barWidth = 40;

export function inspectionObject(found: Inspection): Record<string, unknown> {
  const { limits, row } = found;
  return {
    file: found.file,
    format: found.format,
    shapes: Object.fromEntries(found.shapes),
    columns: [...found.columns],
    rows: found.rows,
    tokens: found.tokens,
    learnt_tokens: found.learntTokens,
    longest_row: found.longest,
    limits: {
      model: limits.model,
      max_seq_length: limits.maxSeqLength,
      rows_over_model: limits.rowsOverModel,
      rows_over_max_seq_length: limits.rowsOverMaxSeqLength,
    },
    histogram: buckets(found).map(({ above, upTo, rows }) => ({ above, up_to: upTo, rows })),
    problems: [...found.problems].map(([reason, problem]) => ({ reason, ...problem })),
    row,
  };
}

export function inspectionLines(found: Inspection, mark: (text: string) => string): string {
  const shapes = [...found.shapes].map(([shape, rows]) =>
    found.shapes.size === 1 ? shape : `${shape} (${rows} rows)`,
  );
  const lines: [string, Cell][] = [
    ['format', found.format],
    ['shape', shapes.join(', ')],
    ...(found.columns.size === 0 ? [] : ([['columns', [...found.columns].join(', ')]] as [string, Cell][])),
    ['rows', found.rows],
  ];
  if (found.longest !== undefined) {
    lines.push(
      ['tokens', `${found.tokens}, of which ${found.learntTokens} are learnt`],
      ['longest row', `${found.longest.tokens} tokens, ${found.longest.place}`],
      ...limitLines(found),
    );
  }
  for (const { first, rows, mend } of found.problems.values()) {
    lines.push(['problem', `${rows} ${rows === 1 ? 'row' : 'rows'}, the first ${first} (${mend})`]);
  }
  const parts = [pairs(lines)];
  if (found.histogram.size > 0) parts.push(histogram(found));
  if (found.row !== undefined) {
    const text = found.row.parts.map((part) => (part.learnt ? mark(part.text) : part.text)).join('');
    parts.push(`${found.row.place}, what is learnt ${mark('so')}:\n${text}`);
  }
  return parts.join('\n\n');
}

function limitLines({ limits }: Inspection): [string, Cell][] {
  const { model, maxSeqLength, rowsOverModel, rowsOverMaxSeqLength } = limits;
  const rows = (count: number): string =>
    count === 0 ? 'no row is' : count === 1 ? '1 row is' : `${count} rows are`;
  const lines: [string, Cell][] = [];
  if (maxSeqLength !== undefined) {
    const cut = rowsOverMaxSeqLength === 0 ? '' : ' and will be cut';
    lines.push(['--max-seq-length', `${rows(rowsOverMaxSeqLength)} longer than ${maxSeqLength}${cut}`]);
  }
  if (model !== undefined && (maxSeqLength === undefined || maxSeqLength > model)) {
    const mend = rowsOverModel === 0 ? '' : `: cut them with --max-seq-length ${model}, or shorten them`;
    lines.push(['model', `${rows(rowsOverModel)} longer than its ${model} tokens${mend}`]);
  }
  return lines;
}

function buckets({ histogram }: Inspection): { above: number; upTo: number; rows: number }[] {
  const sizes = [...histogram.keys()];
  const found = [];
  for (let upTo = Math.min(...sizes); upTo <= Math.max(...sizes); upTo *= 2) {
    found.push({ above: Math.floor(upTo / 2), upTo, rows: histogram.get(upTo) ?? 0 });
  }
  return found;
}

/** `33…64  ████ 12`, a bucket a line. */
function histogram(found: Inspection): string {
  const all = buckets(found);
  const most = Math.max(...all.map(({ rows }) => rows));
  const names = all.map(({ above, upTo }) => (above + 1 >= upTo ? `${upTo}` : `${above + 1}…${upTo}`));
  const width = Math.max(...names.map((name) => name.length));
  const lines = all.map(({ rows }, i) => {
    const bar = '█'.repeat(Math.ceil((rows / most) * barWidth));
    return `${(names[i] ?? '').padStart(width)}  ${bar}${bar === '' ? '' : ' '}${rows}`;
  });
  return ['tokens of a row', ...lines].join('\n');
}
