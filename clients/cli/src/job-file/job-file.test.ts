import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { PassThrough } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { FinetuneOptions } from '../commands/finetune.ts';
import { buildProgram, defineCommand } from '../program.ts';
import { run } from '../run.ts';
import { jobFileFields } from './fields.ts';
import { jobFileSchema } from './schema.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-job-file-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;

function written(text: string): string {
  const folder = join(directory, String((count += 1)));
  mkdirSync(folder);
  writeFileSync(join(folder, 'emloc.yaml'), text);
  return join(folder, 'emloc.yaml');
}

/** The options that `finetune` would get. */
async function taken(...args: string[]): Promise<FinetuneOptions> {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  let options: object = {};
  const start = (chosen: object): Promise<void> => {
    options = chosen;
    return Promise.resolve();
  };
  const program = await buildProgram({ streams, environment: {}, start, asked: ['finetune'] });
  await program.parseAsync(['finetune', ...args], { from: 'user' });
  return options as FinetuneOptions;
}

async function emloc(...args: string[]) {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const code = await run(args, { streams, environment: {} });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(streams.stdout), stderr: text(streams.stderr) };
}

const three = 'model: ORG/NAME\ndata: train.jsonl\noutput: tuned\n';

test('fields are options: numbers, words, switches, aliases, lists', async () => {
  const file = written(
    `${three}learning_rate: 1e-3\nbatch_size: 4\nlr_scheduler_type: linear\nshuffle: false\ngroup_by_length: false\n` +
      'overwrite: true\nrefine_steps: all\ntarget_modules: [q_proj, v_proj]\nseed: 7\n',
  );
  expect(await taken('--config', file)).toMatchObject({
    ...{ model: 'ORG/NAME', learningRate: 0.001, perDeviceTrainBatchSize: 4, lrSchedulerType: 'linear' },
    ...{ shuffle: false, groupByLength: false, overwrite: true, refineSteps: 'all', seed: 7 },
    targetModules: 'q_proj,v_proj',
    // Not in the file.
    loraR: 8,
  });
});

test('what is typed wins, also over a field that excludes it', async () => {
  const file = written(`${three}seed: 7\nmax_steps: 100\nratio: 0.4\nshuffle: false\n`);
  const options = await taken(
    '--config',
    file,
    '--seed',
    '8',
    '--num-train-epochs',
    '2',
    '--ratios',
    'r.json',
  );
  expect(options).toMatchObject({ seed: 8, numTrainEpochs: 2, ratios: 'r.json', shuffle: false });
  expect(options.maxSteps).toBeUndefined();
  expect(options.ratio).toBeUndefined();
});

test('paths are meant from where the file lies, names of the hub and absolute paths stay', async () => {
  const file = written(`${three}log: /var/log.jsonl\neval_data: ../held.jsonl\n`);
  const folder = join(file, '..');
  expect(await taken('--config', file)).toMatchObject({
    ...{ model: 'ORG/NAME', data: join(folder, 'train.jsonl'), output: join(folder, 'tuned') },
    ...{ log: '/var/log.jsonl', evalData: join(folder, '..', 'held.jsonl') },
  });
  mkdirSync(join(folder, 'ORG', 'NAME'), { recursive: true });
  expect(await taken('--config', file)).toMatchObject({ model: join(folder, 'ORG', 'NAME') });
  // A path on the machine of the server is not one of this machine.
  expect(await taken('--config', file, '--server', 'box:1')).toMatchObject({ model: 'ORG/NAME' });
});

test.each([
  ['seed: x', 4, 'seed', "'x' is not a number (choose a whole number such as 42)"],
  ['\n# why\nlearning_rate: -1', 6, 'learning_rate', '-1 is not in [0, ∞)'],
  ['lr_scheduler_type: step', 4, 'lr_scheduler_type', "'step' is not one of cosine"],
  ['overwrite: 1', 4, 'overwrite', "true or false is needed, not '1'"],
  ['seed: true', 4, 'seed', "a number is needed, not 'true'"],
  ['seed:', 4, 'seed', 'no value is given (give one, or take the line out)'],
  ['seed: {a: 1}', 4, 'seed', 'a single value is needed'],
  ['learning-rate: 1', 4, '', "there is no field 'learning-rate' (did you mean learning_rate?)"],
  ['learnign_rate: 1', 4, '', 'did you mean learning_rate?'],
  ['config: other.yaml', 4, '', "there is no field 'config'"],
  ['seed: 1\nseed: 2', 5, '', 'map keys must be unique'],
  ['batch_size: 1\nper_device_train_batch_size: 2', 5, '', 'it is given as batch_size in line 4, too'],
  ['a: [', 5, '', 'flow sequence'],
])('%j is refused with file, line and field', async (text, line, field, message) => {
  const file = written(`${three}${text}\n`);
  const { code, stderr } = await emloc('finetune', '--config', file);
  expect(stderr).toContain(message);
  expect(stderr).toContain(`${file}:${line}: `);
  expect(stderr).toMatch(new RegExp(`^error: ${field === '' ? '' : `${field}: `}`));
  // It is the file that has to change, not the command line.
  expect(code).toBe(1);
});

test('what only the checks of the job find is laid at the line, too; what is typed stays wrong usage', async () => {
  const file = written(`model: ./none\ndata: train.jsonl\noutput: tuned\n`);
  const { code, stderr } = await emloc('finetune', '--config', file, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({
    error: { field: 'model', metadata: { file, line: '1' }, reason: expect.any(String) },
  });
  expect(await emloc('finetune', '--config', file, '--refine-steps', '9', '--max-steps', '8')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--refine-steps'),
  });
});

test('a file that is none, or no job file, is refused as the option', async () => {
  for (const file of [join(directory, 'none.yaml'), written(''), written('- a\n')]) {
    const { code, stderr } = await emloc('finetune', '--config', file);
    expect(code).toBe(1);
    expect(stderr).toContain('--config: ');
  }
});

test('emloc init writes every option, explained; it is a job file, and is never overwritten', async () => {
  const file = join(directory, 'made', 'emloc.yaml');
  const { code, stdout } = await emloc('init', file, '--data', join(directory, 'rows.jsonl'));
  expect([code, stdout]).toEqual([0, `${file}\n`]);
  const text = readFileSync(file, 'utf8');
  const fields = jobFileFields(await defineCommand('finetune'));
  for (const { key } of fields) expect(text, key).toMatch(new RegExp(`^(# )?${key}: \\S`, 'm'));
  expect(text).not.toContain('undefined');
  const options = await taken('--config', file);
  expect(options).toMatchObject({ data: join(directory, 'rows.jsonl'), output: join(file, '..', 'tuned') });
  // Taken out of their comments, all fields are taken, and as their defaults.
  const whole = text.replace(/^# (\w+: \S)/gm, '$1').replace('$schema', '# $schema');
  const all = written(whole);
  const { config: _, ...given } = await taken('--config', all);
  expect(Object.keys(given).sort()).toEqual(fields.map(({ attribute }) => attribute).sort());
  for (const { attribute, default: fallback } of fields)
    if (fallback !== undefined)
      expect([attribute, Reflect.get(given, attribute)]).toEqual([attribute, fallback]);

  const again = await emloc('init', file);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('never overwrites') });
  expect(readFileSync(file, 'utf8')).toBe(text);
  // An editor finds the schema from where the file lies.
  const schema = /\$schema=(.*)/.exec(text)?.[1] ?? '';
  const { $schema } = JSON.parse(readFileSync(join(file, '..', schema), 'utf8')) as { $schema: string };
  expect($schema).toContain('json-schema.org');
  expect(relative(process.cwd(), schema)).not.toBe('');
  expect(new Ajv2020().validate(await schemaObject(), parse(whole))).toBe(true);
});

const schemaObject = async (): Promise<object> =>
  jobFileSchema(jobFileFields(await defineCommand('finetune')));

test('the schema takes what the command takes, and nothing else', async () => {
  const ajv = new Ajv2020({ strict: true });
  const check = ajv.compile(await schemaObject());
  for (const good of [
    { model: 'm', learning_rate: 0.001, refine_steps: 'all', target_modules: ['q'], shuffle: false },
    { refine_steps: 0, ratio: 1, batch_size: 2, precision: 'bf16' },
  ])
    expect([good, check(good)]).toEqual([good, true]);
  for (const bad of [
    { learning_rte: 1 },
    { ratio: 0 },
    { ratio: 1.1 },
    { max_steps: 1.5 },
    { refine_steps: 'most' },
    { precision: 'f8' },
    { lora_dropout: 1 },
    { shuffle: 'no' },
    { target_modules: [] },
  ])
    expect([bad, check(bad)]).toEqual([bad, false]);
});
