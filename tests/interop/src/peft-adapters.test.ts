/** PEFT's own adapters here: read, corrected, merged, and one function in all of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { distance, repositoryRoot, Workplace } from '@emloc/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { figuresOf, makeAdapters, python, withoutPython, type Asked, type Figures } from './python.ts';

const projections = ['q_proj', 'v_proj', 'down_proj'];
const pefts: readonly { readonly name: string; readonly fixture: string; readonly settings: object }[] = [
  { name: 'plain', fixture: 'tiny-llama', settings: { r: 4, target_modules: projections } },
  {
    name: 'ranks and alphas by pattern',
    fixture: 'tiny-llama',
    settings: {
      r: 4,
      lora_alpha: 8,
      target_modules: projections,
      rank_pattern: { q_proj: 2, 'layers.1.mlp.down_proj': 7 },
      alpha_pattern: { '.*v_proj': 3 },
    },
  },
  {
    name: 'a rank-stabilized scale',
    fixture: 'tiny-llama',
    settings: { r: 9, use_rslora: true, target_modules: projections },
  },
  {
    name: 'some layers',
    fixture: 'tiny-llama',
    settings: { r: 4, target_modules: ['q_proj'], layers_to_transform: [1, 2] },
  },
  {
    name: 'weights stored in × out',
    fixture: 'tiny-gpt2',
    settings: { r: 4, target_modules: ['c_attn', 'c_fc'], fan_in_fan_out: true },
  },
];
/** One of PEFT's, made to fit the original by us. */
const corrected = 'ranks and alphas by pattern';

const title =
  python === undefined ? `PEFT and transformers (skipped: ${withoutPython})` : 'PEFT and transformers';

describe.skipIf(python === undefined)(title, () => {
  const work = new Workplace();
  const adapterOf = (name: string): string => work.path(`adapter-${name.replaceAll(' ', '-')}`);
  const mergedOf = (name: string): string => work.path(`merged-${name.replaceAll(' ', '-')}`);
  const cases = [...pefts, { name: 'corrected', fixture: 'tiny-llama' }];
  /** By name: PEFT with the adapter, transformers with the merged model and with the model alone, emloc's loss. */
  const found = new Map<string, { peft: Figures; merged: Figures; base: Figures; loss: number }>();
  let down: () => Promise<void>;

  // All of it at once: Python's libraries take long to load.
  beforeAll(async () => {
    down = await work.up();
    makeAdapters(
      pefts.map(({ name, fixture, settings }) => ({
        ...fixtureOf(work, fixture),
        out: adapterOf(name),
        settings,
      })),
    );
    await correct(work, adapterOf(corrected), adapterOf('corrected'));
    const losses: number[] = [];
    for (const { name, fixture } of cases) {
      const { model, data } = fixtureOf(work, fixture);
      const at = ['--model', model, '--adapter', adapterOf(name)];
      await work.succeed('merge', ...at, '--output', mergedOf(name));
      losses.push((await work.json<{ loss: number }>('evaluate', ...at, '--data', data)).loss);
    }
    const asked = cases.flatMap(({ name, fixture }): Asked[] => {
      const at = fixtureOf(work, fixture);
      return [{ ...at, adapter: adapterOf(name) }, { ...at, model: mergedOf(name) }, at];
    });
    const answers = figuresOf(asked);
    cases.forEach(({ name }, i) => {
      const [peft, merged, base] = answers.slice(3 * i, 3 * i + 3) as [Figures, Figures, Figures];
      found.set(name, { peft, merged, base, loss: losses[i] as number });
    });
  }, 1_200_000);

  afterAll(async () => {
    await down();
    await work.dispose();
  });

  test.each(cases.map(({ name }) => name))('%s: one function everywhere', (name) => {
    const { peft, merged, base, loss } = found.get(name)!;
    expect(apart(peft, base)).toBeGreaterThan(0.01);
    expect(apart(merged, peft)).toBeLessThan(1e-4);
    expect(loss).toBeCloseTo(peft.loss, 4);
  });
});

function fixtureOf(work: Workplace, name: string): Asked {
  const model = join(repositoryRoot, 'tests', 'fixtures', name);
  const read = <T>(file: string): T => JSON.parse(readFileSync(join(model, file), 'utf8')) as T;
  const { batches } = read<{ batches: { ids: number[]; labels: number[] }[][] }>('train.json');
  const rows = batches.flat().slice(0, 6);
  const data = work.path(`${name}.jsonl`);
  writeFileSync(
    data,
    rows.map(({ ids, labels }) => `${JSON.stringify({ input_ids: ids, labels })}\n`).join(''),
  );
  return { model, data, probe: read<{ ids: number[] }>('probe.json').ids };
}

async function correct(work: Workplace, adapter: string, output: string): Promise<void> {
  const { model, data } = fixtureOf(work, 'tiny-llama');
  const [grams, emulator] = [work.path('grams'), work.path('emulator')];
  await work.succeed('calibrate', '--model', model, '--data', data, '--output', grams);
  await work.succeed(
    ...['compress', '--model', model, '--statistics', grams, '--ratio', '0.5', '--output', emulator],
  );
  await work.succeed(
    ...['correct', '--model', model, '--emulator', emulator, '--adapter', adapter, '--output', output],
  );
}

/** ‖a − b‖ / ‖b‖ of the logits. */
function apart(a: Figures, b: Figures): number {
  const asMatrix = ({ logits }: Figures) => ({
    rows: 1,
    columns: logits.length,
    values: Float32Array.from(logits),
  });
  return distance(asMatrix(a), asMatrix(b));
}
