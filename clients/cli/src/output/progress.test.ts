import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Progress, progressText } from './progress.ts';

function recorded(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 60 });
  return { stream, text: () => (stream.read() as Buffer | null)?.toString() ?? '' };
}

test('a line names stage, steps, loss, speed, remaining time and memory', () => {
  const update = {
    stage: 'train',
    done: 30,
    total: 120,
    loss: 1.2345,
    tokensPerSecond: 512.4,
    remainingSeconds: 80,
    memoryBytes: 410e6,
  };
  expect(progressText(update, false)).toBe('train  30/120  loss 1.234  512 tokens/s  1m20s left  410 MB');
  expect(progressText(update, true)).toContain('[#####---------------]  30/120');
});

test('where no terminal reads, a line comes at each new stage, at the end, and every ten seconds', () => {
  let now = 0;
  const { stream, text } = recorded(false);
  const progress = new Progress(stream, () => now);
  for (let done = 0; done <= 25; done += 1) {
    progress.update({ stage: 'train', done, total: 25 });
    now += 1000;
  }
  progress.update({ stage: 'correct' });
  progress.end();
  expect(text()).toBe('train  0/25\ntrain  10/25\ntrain  20/25\ntrain  25/25\ncorrect\n');
});

test('a terminal line is redrawn in place, never wider than the terminal, and kept at the end of its stage', () => {
  let now = 0;
  const { stream, text } = recorded(true);
  const progress = new Progress(stream, () => now);
  progress.update({ stage: 'train', done: 1, total: 9, note: 'x'.repeat(100) });
  now += 1000;
  progress.update({ stage: 'train', done: 2, total: 9 });
  progress.update({ stage: 'train', done: 3, total: 9 });
  progress.update({ stage: 'correct' });
  progress.end();
  const lines = text().split('\r\u001b[2K').slice(1);
  expect(lines[0]?.length).toBeLessThanOrEqual(60);
  expect(
    lines.map((line) =>
      line
        .trim()
        .split(/\s{2,}/)
        .slice(0, 2)
        .join(' ')
        .slice(0, 5),
    ),
  ).toEqual(['train', 'train', 'train', 'corre']);
  expect(lines[2]).toContain('3/9\n');
  expect(lines[3]?.endsWith('\n')).toBe(true);
});

/** What a terminal of 60 columns shows: enough of one for what is written here. */
function screen(written: string): string[] {
  const rows = [''];
  let at = 0;
  for (const [piece] of written.matchAll(/\u001b\[(\d*)([AJK])|\r|\n|[^\u001b\r\n]+/g)) {
    const code = /^\u001b\[(\d*)([AJK])$/.exec(piece);
    if (piece === '\n') rows[(at += 1)] ??= '';
    else if (code?.[2] === 'A') at -= Number(code[1]);
    else if (code?.[2] === 'J') rows.splice(at, rows.length, '');
    else if (code?.[2] === 'K') rows[at] = '';
    else if (piece !== '\r') rows[at] += piece;
  }
  return rows.filter((row) => row !== '');
}

test('a panel is drawn above the line, over the former one, and gone at the end; lines of stages stay', () => {
  let now = 0;
  let seen = 0;
  const { stream, text } = recorded(true);
  const progress = new Progress(
    stream,
    () => now,
    () => (seen === 0 ? [] : [`panel ${seen}`, '|'.repeat(seen * 40)]),
  );
  progress.update({ stage: 'compress', done: 1, total: 1 });
  for (seen = 1; seen <= 3; seen += 1) {
    now += 1000;
    progress.update({ stage: 'train', done: seen, total: 3 });
  }
  progress.clear();
  stream.write('a note\n');
  progress.update({ stage: 'refine', done: 0, total: 3 });
  const bars = (full: number): string => `[${'#'.repeat(full)}${'-'.repeat(20 - full)}]`;
  const [before, after] = [`compress     ${bars(20)}  1/1`, `refine       ${bars(0)}  0/3`];
  const written = text();
  expect(screen(written)).toEqual([before, 'a note', 'panel 4', '|'.repeat(59), after]);
  progress.end();
  expect(screen(written + text())).toEqual([before, 'a note', after]);
});

test('a panel is not for those who read lines', () => {
  const { stream, text } = recorded(false);
  const progress = new Progress(
    stream,
    () => 0,
    () => ['panel'],
  );
  progress.update({ stage: 'train', done: 1, total: 1 });
  progress.end();
  expect(text()).toBe('train  1/1\n');
});

test('a terminal that says it has no columns is drawn on as one of eighty', () => {
  let now = 0;
  const { stream, text } = recorded(true);
  const progress = new Progress(Object.assign(stream, { columns: 0 }), () => now);
  progress.update({ stage: 'train', done: 1, total: 9, note: 'x'.repeat(30) });
  now += 1000;
  progress.update({ stage: 'train', done: 2, total: 9 });
  const written = text();
  expect(written).not.toContain('Infinity');
  expect(written).toContain('x'.repeat(30));
});
