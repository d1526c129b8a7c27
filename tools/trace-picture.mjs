#!/usr/bin/env node
/**
 * Draws one trace as an SVG: a row a span under its parent, a colour a service.
 *
 *   EMLOC_TRACE_FILE=trace npx emloc finetune …      every process writes its spans as JSON lines into trace/
 *   node tools/trace-picture.mjs trace > trace.svg
 *
 * The trace with the most spans is drawn. Repeats under one parent are folded: what comes more than three times under
 * one name becomes one row that says how often.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = process.argv[2];
if (directory === undefined) {
  console.error('usage: node tools/trace-picture.mjs DIRECTORY > trace.svg');
  process.exit(2);
}

const width = 1180;
const labelWidth = 430;
const rowHeight = 18;
const foldAbove = 3;
const palette = ['#4c78a8', '#f58518', '#54a24b', '#b279a2', '#e45756', '#72b7b2', '#9d755d', '#ecae3b'];

const spans = readdirSync(directory)
  .filter((name) => name.endsWith('.jsonl'))
  .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').filter(Boolean))
  .map((line) => JSON.parse(line));
const traces = groupBy(spans, 'traceId');
const trace = [...traces.values()].sort((a, b) => b.length - a.length)[0] ?? [];
const known = new Set(trace.map((span) => span.spanId));
const roots = trace.filter((span) => !known.has(span.parentSpanId));
const children = groupBy(trace, 'parentSpanId');
const rows = roots.sort(byStart).flatMap((root) => rowsOf(root, 0));
const services = [...new Set(trace.map((span) => span.service))].sort();
const colour = (service) => palette[services.indexOf(service) % palette.length];
const begin = Math.min(...trace.map((span) => span.startMs));
const end = Math.max(...trace.map((span) => span.startMs + span.durationMs));

process.stdout.write(svg());

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(item[key], [...(groups.get(item[key]) ?? []), item]);
  return groups;
}

function byStart(a, b) {
  return a.startMs - b.startMs;
}

/** The span and what is under it; the many of one name as one row. */
function rowsOf(span, depth) {
  const below = (children.get(span.spanId) ?? []).sort(byStart);
  const names = groupBy(below, 'name');
  const rest = [];
  const folded = new Set();
  for (const child of below) {
    const same = names.get(child.name);
    if (same.length <= foldAbove) rest.push(...rowsOf(child, depth + 1));
    else if (!folded.has(child.name)) {
      folded.add(child.name);
      rest.push({ spans: same, label: `${child.name} × ${same.length}`, depth: depth + 1 });
    }
  }
  return [{ spans: [span], label: span.name, depth }, ...rest];
}

function svg() {
  const height = (rows.length + 3) * rowHeight;
  const scale = (width - labelWidth - 90) / (end - begin || 1);
  const legend = services.map(
    (service, i) =>
      `<rect x="${8 + i * 145}" y="6" width="10" height="10" fill="${colour(service)}"/>` +
      `<text x="${22 + i * 145}" y="15">${escape(service)}</text>`,
  );
  const lines = rows.map(({ spans: bars, label, depth }, i) => {
    const y = (i + 2) * rowHeight;
    const total = bars.reduce((sum, span) => sum + span.durationMs, 0);
    const drawn = bars.map((span) => {
      const x = labelWidth + (span.startMs - begin) * scale;
      const w = Math.max(1, span.durationMs * scale);
      return `<rect x="${x.toFixed(1)}" y="${y - 10}" width="${w.toFixed(1)}" height="12" fill="${colour(span.service)}"/>`;
    });
    const last = bars[bars.length - 1];
    const after = labelWidth + (last.startMs + last.durationMs - begin) * scale + 4;
    return (
      `<text x="${8 + depth * 12}" y="${y}">${escape(label)}</text>${drawn.join('')}` +
      `<text x="${after.toFixed(1)}" y="${y}" fill="#777">${time(total)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<rect width="${width}" height="${height}" fill="#fff"/>
${[...legend, ...lines].join('\n')}
</svg>
`;
}

function time(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
