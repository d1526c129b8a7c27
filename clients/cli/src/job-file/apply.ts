/** A job file's fields as the options of `emloc finetune`: what was typed wins, and what is wrong is laid at its line. */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { EmlocError } from '@emloc/errors';
import { fieldFlags } from '../checks/typed-field.ts';
import { configFlag, isPath, jobFileFields, type JobFileField } from './fields.ts';
import { placeMetadata, readJobFile, type JobFileEntry, type Place } from './read.ts';

/** Of which at most one is meant: where one is typed, the file's other one does not count. */
const instead: readonly (readonly [string, string])[] = [
  ['ratio', 'ratios'],
  ['maxSteps', 'numTrainEpochs'],
  ['warmupSteps', 'warmupRatio'],
];

const placesOf = new WeakMap<Command, ReadonlyMap<string, Place>>();

/** Before the options are looked at; the command needs an option `--config <file>`. */
export function takeJobFile(command: Command): void {
  command.hook('preAction', async (self) => {
    const { config } = self.opts<{ config?: string }>();
    if (config !== undefined) await applyJobFile(self, config);
  });
}

async function applyJobFile(command: Command, file: string): Promise<void> {
  const isTyped = (attribute: string): boolean => command.getOptionValueSource(attribute) === 'cli';
  const left = (await readJobFile(file, jobFileFields(command))).filter(
    ({ field: { attribute } }) =>
      !isTyped(attribute) &&
      !instead.some((pair) => pair.includes(attribute) && pair.some((other) => isTyped(other))),
  );
  const places = new Map(left.map(({ field, place }) => [field.flag, place]));
  placesOf.set(command, places);
  const server = command.opts<{ server?: string }>().server ?? valueOf(left, 'server');
  for (const entry of left) {
    const value = laid(places, () => valueFrom(entry, file, server !== undefined));
    command.setOptionValueWithSource(entry.field.attribute, value, 'config');
  }
}

const valueOf = (entries: readonly JobFileEntry[], key: string): string | undefined =>
  entries.find(({ field }) => field.key === key)?.text;

function valueFrom({ field, text }: JobFileEntry, file: string, remote: boolean): unknown {
  if (field.value === undefined) return text === 'true';
  if (isPath(field)) return pathFrom(field, text, file, remote);
  return field.row.parse === undefined ? text : field.row.parse(text);
}

/** From where the job file lies. A name of the hub stays one, and so does a path on the machine of `--server`. */
function pathFrom({ key }: JobFileField, text: string, file: string, remote: boolean): string {
  const path = isAbsolute(text) ? text : join(dirname(file), text);
  if (key === 'model' && remote) return text;
  const mayBeName = key === 'model' || key === 'adapter_init';
  return mayBeName && !text.startsWith('.') && !existsSync(path) ? text : path;
}

/** Whether an option has a value that somebody gave, by hand or in a job file. */
export const isGiven = (command: Command, attribute: string): boolean =>
  ['cli', 'config'].includes(command.getOptionValueSource(attribute) ?? '');

/** Runs the command's work; what is wrong with a value of the job file names the file, the line and the field. */
export async function withPlaces<T>(command: Command, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw atItsPlace(placesOf.get(command) ?? new Map(), thrown);
  }
}

function laid<T>(places: ReadonlyMap<string, Place>, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw atItsPlace(places, thrown);
  }
}

function atItsPlace(places: ReadonlyMap<string, Place>, thrown: unknown): unknown {
  if (!(thrown instanceof EmlocError)) return thrown;
  const flag = fieldFlags(thrown.field).find((candidate) => places.has(candidate));
  const place = flag === undefined ? undefined : places.get(flag);
  if (place === undefined || flag === configFlag) return thrown;
  const { code, reason, message, value, mend, metadata } = thrown;
  const inner = thrown.field?.startsWith('--') ? message : `${thrown.field}: ${message}`;
  // Not a UsageError: it is the file that has to change.
  return new EmlocError(code, reason, `${place.file}:${place.line}: ${inner}`, {
    ...{ field: place.key, value, mend, cause: thrown },
    metadata: { ...metadata, ...placeMetadata(place) },
  });
}
