#!/usr/bin/env node
/**
 * Draws the pictures of docs/how-it-works.md: `node tools/method-pictures.mjs` writes docs/pictures/*.svg, with `--check`
 * it only compares. The measured figures are read from the tables of the README, so they cannot differ from it.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const ink = '#333';
const [blue, orange, green, pale] = ['#4c78a8', '#f58518', '#54a24b', '#e6e6e6'];

const pictures = {
  'factors.svg': factors(),
  'layers.svg': layers(),
  'memory.svg': memory(),
  'accuracy.svg': accuracy(),
};

let stale = false;
for (const [name, text] of Object.entries(pictures)) {
  const path = join(root, 'docs', 'pictures', name);
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  } else if (read(path) !== text) {
    console.error(`docs/pictures/${name} is not what tools/method-pictures.mjs draws: run it`);
    stale = true;
  }
}
process.exitCode = stale ? 1 : 0;

/** W as two thin factors, and the adapter beside it. Lengths are those of a linear of 8 × 8 at ratio 0.5. */
function factors() {
  const size = 128;
  const rank = size / 4;
  return svg(760, 240, 'A linear, its emulator and the adapter', [
    box(30, 60, size, size, blue, 'W', 'd_out × d_in'),
    text(190, 128, '≈', 26),
    box(225, 60, rank, size, orange, 'u', 'd_out × r'),
    box(275, 108, size, rank, orange, 'v', 'r × d_in'),
    text(435, 128, '+', 26),
    box(470, 60, 10, size, green, '', 'B'),
    box(495, 119, size, 10, green, '', 'A'),
    text(30, 28, 'original: never trained, read from disk a layer at a time', 13, 'start'),
    text(225, 48, 'emulator: half the parameters', 13, 'start'),
    text(470, 48, 'adapter: all that is trained', 13, 'start'),
    text(30, 226, 'r is chosen so that u and v together hold the ratio of the parameters of W.', 13, 'start'),
  ]);
}

/** What of a model of eight layers is in memory in each stage: full, thin, or on disk. */
function layers() {
  const one = (kind) => Array.from({ length: 8 }, (_, i) => (i === 3 ? kind : 'disk'));
  const rows = [
    ['inference', Array(8).fill('full'), 'the whole model'],
    ['calibrate, compress', one('full'), 'one layer, and what its inputs were like'],
    ['train', Array(8).fill('thin'), 'the emulator, the adapter, one input a layer'],
    ['correct, merge', one('full'), 'one layer'],
    ['refine', one('full'), 'one layer, the adapter, one input a layer'],
  ];
  const draw = ([name, cells, says], row) => {
    const y = 50 + row * 42;
    const cell = (kind, i) => {
      const width = kind === 'thin' ? 12 : 24;
      const fill = { full: blue, thin: orange, disk: 'none' }[kind];
      const x = 190 + i * 32 + (24 - width) / 2;
      const dash = kind === 'disk' ? ' stroke-dasharray="3 3"' : '';
      return `<rect x="${x}" y="${y - 18}" width="${width}" height="26" fill="${fill}" stroke="${ink}" stroke-width="0.8"${dash}/>`;
    };
    return [text(175, y, name, 13, 'end'), ...cells.map(cell), text(465, y, says, 13, 'start')].join('');
  };
  return svg(780, 260, 'What is in memory in each stage', rows.map(draw));
}

/** Measured peaks of the demo beside inference, from the README's table of memory. */
function memory() {
  const [names, peaks, predicted] = tableWith('| | inference | calibrate');
  const stages = names.slice(1).map((name, i) => ({
    name,
    peak: megabytes(peaks[i + 1]),
    predicted: megabytes(predicted[i + 1]),
  }));
  const scale = 430 / Math.max(...stages.map(({ peak }) => peak));
  const limit = 130 + stages[0].peak * scale;
  const bars = stages.flatMap(({ name, peak, predicted: expected }, row) => {
    const y = 42 + row * 30;
    return [
      text(120, y + 14, name, 13, 'end'),
      `<rect x="130" y="${y}" width="${round(peak * scale)}" height="18" fill="${row === 0 ? blue : orange}"/>`,
      `<path d="M${round(130 + expected * scale)} ${y - 3}v24" stroke="${ink}" stroke-width="2"/>`,
      text(590, y + 14, `${peak} MB (predicted ${expected})`, 12, 'start'),
    ];
  });
  const height = 60 + stages.length * 30;
  return svg(780, height, 'Peak memory of each stage beside inference', [
    `<path d="M${round(limit)} 34V${height - 22}" stroke="${blue}" stroke-dasharray="4 4"/>`,
    ...bars,
    text(
      130,
      height - 8,
      'SmolLM2-135M, npm run demo; the mark is what the planner had predicted',
      12,
      'start',
    ),
  ]);
}

/** Accuracy by how many of 120 steps are exact, from the README's table of accuracy. */
function accuracy() {
  const [names, values] = tableWith('| zero-shot |');
  const scale = 400;
  const bars = names.flatMap((name, row) => {
    const y = 42 + row * 30;
    const [value, loss] = values[row].match(/[\d.]+/g).map(Number);
    return [
      text(270, y + 14, name, 13, 'end'),
      `<rect x="280" y="${y}" width="${round(value * scale)}" height="18" fill="${row === 0 ? pale : row < 3 ? orange : row === 5 ? blue : green}"/>`,
      text(290 + value * scale, y + 14, `${value} (loss ${loss})`, 12, 'start'),
    ];
  });
  return svg(780, 60 + names.length * 30, 'Accuracy on 400 test rows by the number of exact steps', bars);
}

/** The lines of the table that begins so, as cells; the first is its head. */
function tableWith(begin) {
  const lines = readme.slice(readme.indexOf(begin)).split('\n\n')[0].split('\n');
  return lines
    .filter((line) => !/^\|[ -|]*-[ -|]*\|$/.test(line) || /[a-z0-9]/i.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function box(x, y, width, height, fill, name, says) {
  const middle = x + width / 2;
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/>`,
    name === '' ? '' : text(middle, y + height / 2 + 6, name, 18, 'middle', '#fff'),
    text(middle, y + height + 18, says, 12),
  ].join('');
}

function text(x, y, words, size, anchor = 'middle', fill = ink) {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="${fill}">${safe}</text>`;
}

function svg(width, height, title, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" role="img">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

function megabytes(cell) {
  return Number(/^([\d,]+) MB$/.exec(cell)[1].replace(',', ''));
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
