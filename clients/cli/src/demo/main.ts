/** `npm run demo`: the demo as a program. */
import { renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { exitCode } from '../exit-codes.ts';
import { demoModelName, fetchModel } from '../models/fetch-model.ts';
import { addOptions } from '../options/option.ts';
import { seedOption } from '../options/common.ts';
import { wholeNumber } from '../options/values.ts';
import { report, runWork } from '../run-work.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withLocalMesh } from '../session/session.ts';
import { runDemo } from './run-demo.ts';
import { demoSettings, type DemoOptions } from './settings.ts';
import { demoTable } from './table.ts';

const surroundings = { streams: process, environment: process.env };

const command = new Command('npm run demo --')
  .description(
    'Fine-tunes SmolLM2-135M-Instruct through the mesh on tests/data/debian-sections, then asks every model of the story ' +
      'for the section of test packages, and prints accuracy, loss, time and memory as measured.',
  )
  .exitOverride();
addOptions(command, 'Options', [
  { flags: '--full', says: '120 steps and all 400 test rows, instead of 60 and 100', default: false },
  { ...seedOption, default: 1 },
  { flags: '--json <file>', says: 'write the figures to a file too' },
  { flags: '--model <dir>', says: 'SmolLM2-135M-Instruct (default: fetched once into the cache)' },
  {
    flags: '--steps <count>',
    says: 'steps (default: 60, or 120 with --full)',
    parse: wholeNumber('--steps', 2, '60'),
  },
  {
    flags: '--refine-steps <count>',
    says: 'exact ones of them (default: half)',
    parse: wholeNumber('--refine-steps', 0, '30'),
  },
  {
    flags: '--test-rows <count>',
    says: 'test rows (default: 100, or all with --full)',
    parse: wholeNumber('--test-rows', 1, '100'),
  },
]);

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    command.parse();
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCode.ok : exitCode.usage;
    return report(surroundings, false, thrown);
  }
  const options = command.opts<DemoOptions & { readonly json?: string; readonly model?: string }>();
  return runWork(surroundings, async (context) => {
    await prepareRuntime(context.output);
    const model =
      options.model === undefined ? await fetchModel(context.output, demoModelName) : resolve(options.model);
    const figures = await withLocalMesh(context, ({ connections, files }) =>
      runDemo(context, connections, files, model, demoSettings(options)),
    );
    if (options.json !== undefined) writeWhole(options.json, `${JSON.stringify(figures, null, 2)}\n`);
    context.output.result(figures, () => `\n${demoTable(figures)}`);
  });
}

function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.partial`, text);
  renameSync(`${path}.partial`, path);
}
