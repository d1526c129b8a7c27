/**
 * Finds a TensorFlow that is there already, without loading it and without Python importing it. In this order:
 * `EMLOC_TENSORFLOW_DIR`, an installed Python package, the cache of what was fetched before.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '@emloc/downloads';
import { EmlocError } from '@emloc/errors';
import { compareVersions, FRAMEWORK_FILE, LIBRARY_FILE, nvidiaGpu, OLDEST_VERSION } from './platform.ts';
import { pythonPaths } from './python.ts';

export type RuntimeOrigin = 'EMLOC_TENSORFLOW_DIR' | 'python' | 'cache' | 'download';

export interface RuntimeLocation {
  readonly origin: RuntimeOrigin;
  /** The directory that holds both libraries. */
  readonly directory: string;
  readonly framework: string;
  readonly library: string;
  /** Unknown where only a directory was given; TensorFlow itself says it once loaded. */
  readonly version: string | undefined;
  /** A fetched build with CUDA; false also where that is not known. */
  readonly gpu: boolean;
  /** Libraries of CUDA beside it, to be loaded first, in order. Empty for the processor. */
  readonly cuda: readonly string[];
}

/** The manifest beside a fetched runtime: what was unpacked, so that a half-deleted cache is noticed. */
export interface RuntimeManifest {
  readonly package: string;
  readonly version: string;
  readonly gpu: boolean;
  readonly files: Readonly<Record<string, number>>;
}

export const MANIFEST_FILE = 'runtime.json';

/** The runtime that would be used now; undefined where one must be fetched. */
export function findRuntime(env: NodeJS.ProcessEnv = process.env): RuntimeLocation | undefined {
  return fromEnvironment(env) ?? fromPython(env) ?? fromCache(env);
}

function at(
  origin: RuntimeOrigin,
  directory: string,
  version?: string,
  gpu = false,
): RuntimeLocation | undefined {
  const framework = join(directory, FRAMEWORK_FILE);
  const library = join(directory, LIBRARY_FILE);
  if (!existsSync(framework) || !existsSync(library)) return undefined;
  return { origin, directory, framework, library, version, gpu, cuda: cudaLibraries(dirname(directory)) };
}

function fromEnvironment(env: NodeJS.ProcessEnv): RuntimeLocation | undefined {
  const given = env.EMLOC_TENSORFLOW_DIR;
  if (!given) return undefined;
  const found = at('EMLOC_TENSORFLOW_DIR', given) ?? at('EMLOC_TENSORFLOW_DIR', join(given, 'tensorflow'));
  if (found !== undefined) return found;
  throw new EmlocError('NOT_FOUND', 'RUNTIME_NOT_FOUND', `no ${LIBRARY_FILE} and ${FRAMEWORK_FILE} in it`, {
    field: 'EMLOC_TENSORFLOW_DIR',
    value: given,
    mend: 'name the directory of an unpacked TensorFlow package, or unset it to have one fetched',
  });
}

function fromPython(env: NodeJS.ProcessEnv): RuntimeLocation | undefined {
  for (const path of pythonPaths(env)) {
    const version = installedVersion(path);
    if (version === undefined || compareVersions(version, OLDEST_VERSION) < 0) continue;
    const found = at('python', join(path, 'tensorflow'), version);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the metadata directory that pip leaves: `tensorflow_cpu-2.21.0.dist-info`. */
function installedVersion(sitePackages: string): string | undefined {
  if (!existsSync(join(sitePackages, 'tensorflow'))) return undefined;
  for (const name of readdirSync(sitePackages)) {
    const version =
      /^(?:tf_nightly|tensorflow|tensorflow_(?:cpu|intel|aws|macos|gpu))-(\d[^-]*)\.dist-info$/.exec(name);
    if (version !== null) return version[1];
  }
  return undefined;
}

/** Where fetched runtimes lie. */
export const runtimesDirectory = (env: NodeJS.ProcessEnv = process.env): string =>
  join(cacheDirectory(env), 'tensorflow');

function fromCache(env: NodeJS.ProcessEnv): RuntimeLocation | undefined {
  const root = runtimesDirectory(env);
  if (!existsSync(root)) return undefined;
  const needsGpu = nvidiaGpu(env);
  const found = readdirSync(root)
    .map((name) => cachedRuntime(join(root, name)))
    .filter((runtime) => runtime !== undefined)
    // A build for the processor does not serve a GPU; the other way round it does.
    .filter((runtime) => runtime.gpu || !needsGpu)
    .sort((a, b) => compareVersions(b.version ?? '0', a.version ?? '0'));
  return found[0];
}

/** The runtime in a directory of the cache, if every file is there in full. */
export function cachedRuntime(
  directory: string,
  origin: RuntimeOrigin = 'cache',
): RuntimeLocation | undefined {
  let manifest: RuntimeManifest;
  try {
    manifest = JSON.parse(readFileSync(join(directory, MANIFEST_FILE), 'utf8')) as RuntimeManifest;
  } catch {
    return undefined;
  }
  for (const [name, bytes] of Object.entries(manifest.files)) {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    if (stat?.size !== bytes) return undefined;
  }
  return at(origin, join(directory, 'tensorflow'), manifest.version, manifest.gpu);
}

/**
 * CUDA's libraries in the order in which they need each other, by the `nvidia-*` package that holds each. What is loaded
 * already is found by its name when TensorFlow asks for it, so no search path need be set.
 */
const CUDA_LIBRARIES = [
  ['cuda_runtime', 'libcudart'],
  ['nvjitlink', 'libnvJitLink'],
  ['cuda_nvrtc', 'libnvrtc'],
  ['cublas', 'libcublasLt'],
  ['cublas', 'libcublas'],
  ['cufft', 'libcufft'],
  ['curand', 'libcurand'],
  ['cusparse', 'libcusparse'],
  ['cusolver', 'libcusolver'],
  ['cuda_cupti', 'libcupti'],
  ['nccl', 'libnccl'],
  ['cudnn', 'libcudnn'],
] as const;

/** The CUDA libraries of a site-packages directory (or of our copy of one), in load order; those that are there. */
export function cudaLibraries(sitePackages: string): string[] {
  return CUDA_LIBRARIES.flatMap(([part, stem]) => {
    const directory = join(sitePackages, 'nvidia', part, 'lib');
    if (!existsSync(directory)) return [];
    const file = readdirSync(directory).find((name) => name.startsWith(`${stem}.so.`));
    return file === undefined ? [] : [join(directory, file)];
  });
}
