/**
 * Makes sure that a TensorFlow is there: finds one, or fetches the package once into the cache. Nothing half-done is
 * left: it is unpacked beside its place and renamed, and two processes at once fetch it once.
 */
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assertFreeSpace,
  makeCacheDirectory,
  pipDownload,
  readZipText,
  unzipEntries,
  withFileLock,
  type DownloadProgress,
} from '@emloc/downloads';
import { EmlocError } from '@emloc/errors';
import { asTensorFlowFetch } from './fetch-error.ts';
import {
  cachedRuntime,
  findRuntime,
  MANIFEST_FILE,
  runtimesDirectory,
  type RuntimeLocation,
  type RuntimeManifest,
} from './locate.ts';
import {
  compareVersions,
  FRAMEWORK_FILE,
  glibcVersion,
  LIBRARY_FILE,
  nvidiaGpu,
  OLDEST_GLIBC,
  TENSORFLOW_VERSION,
} from './platform.ts';

export interface RuntimeProgress {
  readonly phase: 'waiting' | 'downloading' | 'unpacking';
  readonly package: string;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

export interface EnsureRuntimeOptions {
  readonly onProgress?: (progress: RuntimeProgress) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/** Where TensorFlow is, after fetching it if it is not there. */
export async function ensureRuntime(options: EnsureRuntimeOptions = {}): Promise<RuntimeLocation> {
  const env = options.env ?? process.env;
  const found = findRuntime(env);
  if (found !== undefined) return found;

  const choice = choosePackage(env);
  const root = runtimesDirectory(env);
  await makeCacheDirectory(root);
  const place = join(root, choice.directory);
  const waiting = (): void =>
    options.onProgress?.({ phase: 'waiting', package: choice.name, doneBytes: 0, totalBytes: undefined });
  return withFileLock(
    join(root, `${choice.directory}.lock`),
    async () => cachedRuntime(place) ?? (await fetchRuntime(choice, root, place, options, env)),
    { onWait: waiting },
  );
}

export interface PackageChoice {
  readonly name: string;
  readonly version: string;
  readonly gpu: boolean;
  /** Its directory in the cache. */
  readonly directory: string;
  /** Disk that must be free to fetch and unpack it. */
  readonly neededBytes: number;
}

/** The package for this machine; thrown where TensorFlow has none. */
export function choosePackage(env: NodeJS.ProcessEnv = process.env): PackageChoice {
  const { platform, arch } = process;
  const gpu = nvidiaGpu(env);
  const supported =
    (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) ||
    (platform === 'darwin' && arch === 'arm64');
  if (!supported) {
    throw new EmlocError(
      'UNIMPLEMENTED',
      'PLATFORM_UNSUPPORTED',
      `TensorFlow has no package for ${platform} ${arch}`,
      {
        mend: 'use Linux (x86-64 or aarch64) or macOS on Apple silicon; on Windows, WSL 2',
      },
    );
  }
  if (platform === 'linux') checkGlibc();
  const name = platform === 'linux' && arch === 'x64' && !gpu ? 'tensorflow-cpu' : 'tensorflow';
  return {
    name,
    version: TENSORFLOW_VERSION,
    gpu,
    directory: `${name}-${TENSORFLOW_VERSION}-${gpu ? 'cuda' : 'cpu'}-${platform}-${arch}`,
    neededBytes: gpu ? 7e9 : 1.4e9,
  };
}

function checkGlibc(): void {
  const version = glibcVersion();
  if (version !== undefined && compareVersions(version, OLDEST_GLIBC) >= 0) return;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'SYSTEM_TOO_OLD',
    version === undefined
      ? 'TensorFlow needs the GNU C library (glibc), which this system does not use'
      : `TensorFlow needs glibc ${OLDEST_GLIBC} or later, this system has ${version}`,
    { mend: 'use a newer distribution, or a container image based on Debian or Ubuntu' },
  );
}

async function fetchRuntime(
  choice: PackageChoice,
  root: string,
  place: string,
  options: EnsureRuntimeOptions,
  env: NodeJS.ProcessEnv,
): Promise<RuntimeLocation> {
  await assertFreeSpace(root, choice.neededBytes, 'fetching TensorFlow');
  const prefix = `.fetching-${choice.directory}-`;
  removeLeftOvers(root, prefix);
  const staging = mkdtempSync(join(root, prefix));
  try {
    const unpacked = join(staging, 'unpacked');
    const add = (requirement: string, wanted: (name: string) => boolean) =>
      fetchPackage(requirement, wanted, unpacked, join(staging, 'download'), options, env);
    const main = await add(`${choice.name}==${choice.version}`, isTensorFlowFile);
    const files = { ...main.files };
    const lacking = [LIBRARY_FILE, FRAMEWORK_FILE].filter((name) => !(`tensorflow/${name}` in files));
    if (lacking.length > 0) throw incomplete(choice, lacking);
    if (choice.gpu) {
      for (const requirement of cudaRequirements(main.metadata)) {
        Object.assign(files, (await add(requirement, isCudaFile)).files);
      }
    }
    const { name, version, gpu } = choice;
    const manifest: RuntimeManifest = { package: name, version, gpu, files };
    writeFileSync(join(unpacked, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    rmSync(place, { recursive: true, force: true });
    renameSync(unpacked, place);
  } catch (thrown) {
    throw asTensorFlowFetch(thrown);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return cachedRuntime(place, 'download')!;
}

/** What a fetch that was killed left behind. The lock is held, so no other one is at work. */
function removeLeftOvers(root: string, prefix: string): void {
  for (const name of readdirSync(root).filter((entry) => entry.startsWith(prefix))) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
}

const incomplete = ({ name, version }: PackageChoice, lacking: readonly string[]): EmlocError =>
  new EmlocError(
    'FAILED_PRECONDITION',
    'PACKAGE_INCOMPLETE',
    `${name} ${version} does not hold ${lacking.join(' and ')}`,
    {
      mend: 'set EMLOC_TENSORFLOW_DIR to a TensorFlow that does',
    },
  );

const phases = { wait: 'waiting', download: 'downloading', unpack: 'unpacking' } as const;

/** Unpacks what is wanted of a package into `directory`; the wheel is gone after that. */
async function fetchPackage(
  requirement: string,
  wanted: (name: string) => boolean,
  directory: string,
  download: string,
  options: EnsureRuntimeOptions,
  env: NodeJS.ProcessEnv,
): Promise<{ files: Record<string, number>; metadata: string }> {
  const onProgress = ({ phase, doneBytes, totalBytes }: DownloadProgress): void =>
    options.onProgress?.({ phase: phases[phase], package: requirement, doneBytes, totalBytes });
  // The libraries inside are the same for every Python.
  const wheel = await pipDownload(requirement, { cacheDir: download, anyPython: true, onProgress, env });
  const unpacked = await unzipEntries(wheel, directory, { select: wanted, onProgress });
  const metadata = (await readZipText(wheel, /^[^/]+\.dist-info\/METADATA$/)) ?? '';
  rmSync(download, { recursive: true, force: true });
  return { files: Object.fromEntries(unpacked.map(({ name, bytes }) => [name, bytes])), metadata };
}

/** The two libraries, libraries that a build bundles beside them, and the licence. */
function isTensorFlowFile(name: string): boolean {
  if (name === `tensorflow/${LIBRARY_FILE}` || name === `tensorflow/${FRAMEWORK_FILE}`) return true;
  return /^(tensorflow[^/]*\.libs|_solib_[^/]*)\/.*\.(so|dylib)[^/]*$/.test(name) || isLicence(name);
}

const isCudaFile = (name: string): boolean =>
  /^nvidia\/[^/]+\/lib\/[^/]+\.so[^/]*$/.test(name) || isLicence(name);

const isLicence = (name: string): boolean =>
  /^[^/]+\.dist-info\/(.*\/)?(LICENSE|License|NOTICE)[^/]*$/.test(name);

/** The `nvidia-*` packages that a TensorFlow package's metadata names under its extra `and-cuda`. */
export function cudaRequirements(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist:\s*(nvidia-[^;\n]+);\s*extra\s*==\s*["']and-cuda["']/gm)].map(
    (match) => match[1]!.trim().replace(/[()\s]/g, ''),
  );
}
