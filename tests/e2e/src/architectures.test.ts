/** Models unlike Llama through the whole job: weights stored the other way round, experts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot, Workplace } from './emloc.ts';

const work = new Workplace();
let down: () => Promise<void>;

beforeAll(async () => {
  down = await work.up();
});
afterAll(async () => {
  await down();
  await work.dispose();
});

interface Report {
  readonly resolved: { readonly keptFull?: readonly { module: string; rows: number }[] };
}

describe.each(['tiny-gpt2', 'tiny-qwen3-moe'])('%s', (name) => {
  const model = join(repositoryRoot, 'tests', 'fixtures', name);
  const data = work.path(`${name}.jsonl`);
  const tuned = work.path(`${name}-tuned`);
  const merged = work.path(`${name}-merged`);
  const loss = async (...args: string[]): Promise<number> =>
    (await work.json<{ loss: number }>('evaluate', '--data', data, ...args)).loss;

  test('finetune, merge and evaluate: the merged model is the original with the adapter', async () => {
    writeRows(model, data);
    await work.json(
      ...['finetune', '--model', model, '--data', data, '--ratio', '0.5', '--output', tuned],
      ...['--max-steps', '4', '--lora-r', '2', '--target-modules', 'all-linear', '--learning-rate', '1e-2'],
    );
    const adapter = join(tuned, 'adapter');
    await work.json('merge', '--model', model, '--adapter', adapter, '--output', merged);
    const tunedLoss = await loss('--model', model, '--adapter', adapter);
    expect(Math.abs((await loss('--model', merged)) - tunedLoss)).toBeLessThan(1e-4 * tunedLoss);
    expect(tunedLoss).toBeLessThan(await loss('--model', model));
  });

  test('the adapter says how the weights lie, the report which experts kept theirs', () => {
    const config = JSON.parse(readFileSync(join(tuned, 'adapter', 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ fan_in_fan_out: name === 'tiny-gpt2' });
    const { resolved } = JSON.parse(readFileSync(join(tuned, 'report.json'), 'utf8')) as Report;
    const kept = resolved.keptFull?.map(({ module }) => module) ?? [];
    if (name === 'tiny-gpt2') expect(kept).toEqual([]);
    else expect(kept).toContain('model.layers.2.mlp.experts.3.gate_proj');
    for (const { rows } of resolved.keptFull ?? []) expect(rows).toBeLessThan(6);
  });
});

/** The fixture's calibration sequences: few of their tokens reach the last expert of the mixture's last layer. */
function writeRows(fixture: string, path: string): void {
  const { sequences } = JSON.parse(readFileSync(join(fixture, 'calib.json'), 'utf8')) as {
    sequences: number[][];
  };
  writeFileSync(
    path,
    sequences.map((ids) => `${JSON.stringify({ input_ids: ids, labels: ids })}\n`).join(''),
  );
}
