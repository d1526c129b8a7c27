/**
 * A model or an adapter of the Hugging Face hub, in the cache that Python's tools use, too. What the model is, is looked
 * at before its weights are fetched. What the cache holds whole can be used without the hub.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  cachedRepositories,
  cachedSnapshot,
  fetchFiles,
  hubSettings,
  openRevision,
  referenceText,
  rememberRevision,
  type HubReference,
  type HubSettings,
} from '@emloc/downloads';
import { EmlocError, nearest } from '@emloc/errors';
import { architectureOf } from '../architectures/index.ts';
import { openModel } from '../directory/open-model.ts';
import { readJsonObject } from '../directory/read-json.ts';
import { quantizationOf } from '../directory/refuse-quantized.ts';
import type { PullProgress } from '../pull-model.ts';
import { smallFiles, weightFiles, weightIndex, type HubKind } from './needed-files.ts';

export interface PullFromHubOptions {
  readonly kind?: HubKind;
  /** Take what the cache holds whole without asking whether the hub has something newer. */
  readonly preferCache?: boolean;
  readonly onProgress?: (progress: PullProgress) => void;
  /** The hub was not reached, and what the cache holds is used. */
  readonly onUnreachable?: (error: EmlocError) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** The directory of the snapshot. */
export async function pullFromHub(
  reference: HubReference,
  { kind = 'model', preferCache = false, env, onUnreachable, ...options }: PullFromHubOptions = {},
): Promise<string> {
  const settings = hubSettings(env);
  const cached = await wholeInCache(reference, kind, settings);
  if (cached?.withTokenizer && preferCache) return cached.directory;
  if (settings.offline) {
    if (cached !== undefined) return cached.directory;
    throw await notInCache(reference, settings);
  }
  try {
    return await fetchAll(reference, kind, { ...options, settings });
  } catch (thrown) {
    const error = EmlocError.from(thrown);
    if (error.reason !== 'HUB_UNREACHABLE' || cached === undefined) throw error;
    onUnreachable?.(error);
    return cached.directory;
  }
}

async function fetchAll(
  reference: HubReference,
  kind: HubKind,
  options: Omit<PullFromHubOptions, 'kind' | 'env'> & { readonly settings: HubSettings },
): Promise<string> {
  const { repo } = reference;
  const revision = await openRevision(reference, options);
  const names = revision.files.map(({ path }) => path);
  const directory = await fetchFiles(revision, smallFiles(kind, names, repo), options);
  if (kind === 'model') assertSupported(directory, repo);
  const weights = await weightFiles(kind, names, repo, async () => {
    await fetchFiles(revision, [weightIndex], options);
    return readJsonObject(join(directory, weightIndex));
  });
  await fetchFiles(revision, weights, options);
  await rememberRevision(revision, options.settings);
  return directory;
}

/** Refused before gigabytes come that cannot be used. */
function assertSupported(directory: string, repo: string): void {
  const config = readJsonObject(join(directory, 'config.json'));
  architectureOf(config['model_type']);
  const found = quantizationOf(config);
  if (found === undefined) return;
  const { field, method } = found;
  throw new EmlocError(
    'UNIMPLEMENTED',
    'QUANTIZED_MODEL',
    `the weights of ${repo} are quantized (${method})`,
    {
      field,
      value: method,
      mend: 'choose the repository that it was quantized from',
    },
  );
}

/** Undefined where the cache holds nothing, or not all of it: Python fetches file by file. */
async function wholeInCache(reference: HubReference, kind: HubKind, { cacheDir }: HubSettings) {
  const directory = await cachedSnapshot(reference, cacheDir);
  if (directory === undefined) return undefined;
  if (kind === 'adapter') {
    const isWhole = ['adapter_config.json', 'adapter_model.safetensors'].every((name) =>
      existsSync(join(directory, name)),
    );
    return isWhole ? { directory, withTokenizer: true } : undefined;
  }
  try {
    openModel(directory);
    return { directory, withTokenizer: existsSync(join(directory, 'tokenizer.json')) };
  } catch {
    return undefined;
  }
}

async function notInCache(reference: HubReference, { cacheDir }: HubSettings): Promise<EmlocError> {
  const near = nearest(reference.repo, await cachedRepositories(cacheDir));
  const others = near.length === 0 ? '' : ` (it holds ${near.join(', ')})`;
  return new EmlocError(
    'FAILED_PRECONDITION',
    'HUB_OFFLINE',
    `${referenceText(reference)} is not whole in the cache ${cacheDir}${others}, and the hub is not asked`,
    {
      field: 'HF_HUB_OFFLINE',
      value: referenceText(reference),
      mend: 'unset HF_HUB_OFFLINE to fetch it, or set HF_HUB_CACHE to a cache that holds it',
    },
  );
}
