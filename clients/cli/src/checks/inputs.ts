/**
 * What goes in, looked at before TensorFlow or a mesh is started: model directories, data files, ratios, target modules.
 * With `--server` a model lies on another machine, and its service looks instead.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseChoices, readChoices, type Choice } from '@emloc/datasets';
import {
  adaptedLinears,
  otherBase,
  openAdapter,
  type AdapterDirectory,
  decoderLinears,
  parseTargetModules,
  resolveRatios,
  selectTargets,
  type TargetModules,
} from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import { modelName, openModel, type ModelDirectory } from '@emloc/models';
import type { Output } from '../output/output.ts';
import { UsageError } from '../usage-error.ts';
import { underOption } from './under-option.ts';

/** The model as the mesh will read it, or undefined where only the mesh sees it. */
export async function checkModel(
  option: string,
  typed: string,
  server: string | undefined,
): Promise<ModelDirectory | undefined> {
  if (server !== undefined && !existsSync(typed)) return undefined;
  const model = await underOption({ option, value: typed }, () => openModel(typed));
  const isEmulator = model.emulator !== undefined;
  if (option === '--emulator' && !isEmulator) {
    throw new EmlocError('INVALID_ARGUMENT', 'NOT_AN_EMULATOR', `${typed} is a model, not an emulator`, {
      field: option,
      value: typed,
      mend: 'name a directory that emloc compress wrote, or give it as --model',
    });
  }
  if (option === '--model' && isEmulator) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'NOT_AN_ORIGINAL',
      `${typed} is an emulator, not an original model`,
      {
        field: option,
        value: typed,
        mend: `name its original (${model.emulator?.original.name})`,
      },
    );
  }
  return model;
}

/**
 * A PEFT adapter directory, its factors of the model's shapes where the model is at hand. One that names another base
 * model than this is called gets a warning: directories are renamed, so names prove nothing.
 */
export async function checkAdapter(
  option: string,
  typed: string,
  model: ModelDirectory | undefined,
  output: Output,
): Promise<AdapterDirectory> {
  return underOption({ option, value: typed, name: 'adapter' }, () => {
    if (!existsSync(typed)) {
      throw new EmlocError('NOT_FOUND', 'ADAPTER_NOT_FOUND', `no such directory: ${typed}`, {
        mend: 'check the path',
      });
    }
    const adapter = openAdapter(typed);
    if (model === undefined) return adapter;
    adaptedLinears(adapter, decoderLinears(model));
    const base = otherBase(adapter, model);
    if (base !== undefined)
      output.warn(
        `${option} ${typed} was made for ${base}, its base_model_name_or_path; this model is ${modelName(model.dir)}`,
      );
    return adapter;
  });
}

export type Ratios = { readonly ratio: number } | { readonly ratios: readonly (readonly [string, number])[] };

/** `--ratio` or `--ratios`, against the model where it is at hand. */
export async function checkRatios(
  typed: { readonly ratio?: number; readonly ratios?: string },
  model: ModelDirectory | undefined,
  fallback?: number,
): Promise<Ratios> {
  if (typed.ratio !== undefined && typed.ratios !== undefined) {
    throw new UsageError('CONFLICTING_OPTIONS', 'both --ratio and --ratios are given', {
      field: '--ratios',
      value: typed.ratios,
      mend: 'give one of them',
    });
  }
  const ratio = typed.ratio ?? (typed.ratios === undefined ? fallback : undefined);
  if (ratio === undefined && typed.ratios === undefined) {
    throw new UsageError('MISSING_OPTION', 'no ratio is given', {
      field: '--ratio',
      mend: 'give --ratio 0.5, or --ratios with a file',
    });
  }
  const file = typed.ratios;
  const spec: Ratios = file === undefined ? { ratio: ratio ?? 1 } : { ratios: await readRatios(file) };
  if (model !== undefined) {
    const option = file === undefined ? '--ratio' : '--ratios';
    await underOption({ option, value: file ?? String(ratio), usage: true }, () =>
      resolveRatios(decoderLinears(model), spec),
    );
  }
  return spec;
}

async function readRatios(file: string): Promise<(readonly [string, number])[]> {
  const bad = (problem: string): EmlocError =>
    new EmlocError('INVALID_ARGUMENT', 'BAD_RATIOS', `${file} ${problem}`, {
      field: '--ratios',
      value: file,
      mend: 'write a JSON object from regular expression to ratio, such as {".*\\\\.mlp\\\\..*": 0.5}',
    });
  const text = await underOption({ option: '--ratios', value: file }, () => readFile(file, 'utf8'));
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw bad(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw bad('is not a JSON object');
  const entries = Object.entries(parsed);
  const wrong = entries.find(([, ratio]) => typeof ratio !== 'number' || !(ratio > 0 && ratio <= 1));
  if (wrong !== undefined)
    throw bad(`gives ${wrong[0]} the ratio ${JSON.stringify(wrong[1])}, which is not in (0, 1]`);
  return entries as (readonly [string, number])[];
}

/** `--target-modules` as the adapter takes it; it has to choose something. */
export async function checkTargets(typed: string, model: ModelDirectory | undefined): Promise<TargetModules> {
  const targets = parseTargetModules(typed);
  if (model !== undefined) {
    await underOption({ option: '--target-modules', value: typed, usage: true }, () =>
      selectTargets(decoderLinears(model), targets),
    );
  }
  return targets;
}

/** `--choices`: a file, a JSON array, or a list with commas. */
export async function checkChoices(typed: string): Promise<readonly Choice[]> {
  if (existsSync(typed)) return readChoices(resolve(typed));
  if (typed.trimStart().startsWith('[')) {
    return underOption({ option: '--choices', value: typed, usage: true }, () => parseChoices(typed, typed));
  }
  const choices = typed.split(',').map((choice) => choice.trim());
  if (choices.length >= 2 && choices.every((choice) => choice !== '')) return choices;
  throw badChoices(typed, 'names fewer than two answers, or an empty one');
}

const badChoices = (typed: string, problem: string): UsageError =>
  new UsageError('BAD_CHOICES', `'${typed}' ${problem}`, {
    field: '--choices',
    value: typed,
    mend: 'write the answers with commas, as a JSON array, or name a file with one a line',
  });
