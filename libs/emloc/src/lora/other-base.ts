/** Is the model that an adapter is put on the one that it names? Names are all there is to go by: nothing is refused for them. */
import { basename } from 'node:path';
import { modelName, type ModelDirectory } from '@emloc/models';
import type { AdapterDirectory } from './open-adapter.ts';

/** The base that the adapter names, where the model is called otherwise in all its ways; undefined where they agree. */
export function otherBase(
  { settings }: AdapterDirectory,
  { dir, config, emulator }: ModelDirectory,
): string | undefined {
  const named = settings.baseModel;
  if (named === '') return undefined;
  const own = [
    emulator === undefined ? modelName(dir) : emulator.original.name,
    ...[config.raw['_name_or_path']].filter((name) => typeof name === 'string' && name !== ''),
  ].map((name) => lastPart(String(name)));
  return own.includes(lastPart(named)) ? undefined : named;
}

const lastPart = (name: string): string => basename(name.replace(/[\\/]+$/, '')).toLowerCase();
