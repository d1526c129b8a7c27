import { expect, test } from 'vitest';
import { LossCurve } from './loss-curve.ts';

const wide = { columns: 60, rows: 6, unicode: false };

test('a loss that falls is drawn from the upper left to the lower right, between its highest and lowest', () => {
  const curve = new LossCurve();
  for (let step = 1; step <= 40; step += 1) curve.addStep('train', step, 5 - step / 10);
  expect(curve.render({ ...wide, columns: 30, rows: 4 })).toEqual([
    '      4.9+****',
    '         |   *******',
    '         |          *******',
    '        1+                ****',
    '         +------------ step 40',
    '          train',
  ]);
});

test('steps of the stages follow one another, losses on held-out rows are marked', () => {
  const curve = new LossCurve();
  for (let step = 1; step <= 10; step += 1) curve.addStep('train', step, 3);
  curve.addEvaluation('train', 10, 2);
  for (let step = 1; step <= 10; step += 1) curve.addStep('refine', step, 1);
  const lines = curve.render(wide);
  expect(lines[0]).toMatch(/^ {8}3\+\*{10,}/);
  expect(lines.slice(1, -3).join('')).toContain('o');
  expect(lines.at(-3)).toMatch(/^ {8}1\+ +\*{10,}$/);
  expect(lines.at(-2)).toMatch(/ step 20$/);
  expect(lines.at(-1)).toMatch(/^ {10}train {10,}refine {3}o held-out rows$/);
});

test.each([31, 50, 80, 200])(
  'no line is longer than %d letters, and dots of braille take as many',
  (columns) => {
    const curve = new LossCurve();
    for (let step = 1; step <= 1000; step += 1) curve.addStep('train', step, Math.sin(step / 30) + 2);
    for (const unicode of [true, false]) {
      const lines = curve.render({ columns, rows: 8, unicode });
      expect(lines).toHaveLength(10);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      expect(Math.max(...lines.map((line) => line.length))).toBe(columns);
    }
    expect(curve.render({ columns, rows: 8, unicode: true }).join('')).toMatch(/[\u2801-\u28ff]/);
  },
);

test('nothing is drawn of one step, of no number, or where there is no room', () => {
  const curve = new LossCurve();
  curve.addStep('train', 1, 3);
  curve.addStep('train', 2, Number.NaN);
  expect(curve.render(wide)).toEqual([]);
  curve.addStep('train', 3, 2);
  expect(curve.render(wide)).not.toEqual([]);
  expect(curve.render({ ...wide, columns: 29 })).toEqual([]);
});

test('steps that are done again after a stop take the place of the former', () => {
  const [whole, stopped] = [new LossCurve(), new LossCurve()];
  for (const step of [1, 2, 3, 4]) whole.addStep('train', step, 1 / step);
  for (const step of [1, 2, 3, 2, 3, 4]) stopped.addStep('train', step, 1 / step);
  expect(stopped.render(wide)).toEqual(whole.render(wide));
});
