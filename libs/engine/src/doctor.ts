/**
 * What the engine finds on this machine, and what is wrong with a mend for each. Fetches nothing, never throws.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { freemem, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { cacheDirectory, findPip } from '@emloc/downloads';
import { EmlocError } from '@emloc/errors';
import { toNumber } from './create.ts';
import { chooseHalfPrecision, type HalfPrecision } from './half-precision.ts';
import { matmul } from './ops/matmul.ts';
import { sum } from './ops/reduce.ts';
import { ones } from './ops/shape.ts';
import { choosePackage } from './runtime/fetch.ts';
import { findRuntime, type RuntimeLocation } from './runtime/locate.ts';
import {
  compareVersions,
  cpuInfo,
  glibcVersion,
  memoryLimitBytes,
  nvidiaGpu,
  type CpuInfo,
} from './runtime/platform.ts';
import { startEngine, type EngineInfo } from './start.ts';
import { tidy } from './tidy.ts';

/** Keep in step with `engines` in package.json. */
const OLDEST_NODE = '20.19.0';

/** Below this a model of a few hundred million parameters is no longer tuned comfortably. */
const LITTLE_MEMORY_BYTES = 2 * 2 ** 30;

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly what: string;
  readonly mend: string;
}

export interface EngineReport {
  readonly node: { readonly version: string; readonly path: string };
  readonly system: {
    readonly platform: string;
    readonly arch: string;
    readonly release: string;
    readonly glibc?: string;
  };
  /** Undefined where none is there yet. */
  readonly tensorflow?: {
    readonly origin: RuntimeLocation['origin'];
    readonly directory: string;
    readonly version?: string;
    /** It was loaded, and a product came out right. */
    readonly works: boolean;
  };
  readonly cpu: CpuInfo;
  readonly threads: number;
  readonly bf16: HalfPrecision;
  readonly gpu: { readonly seen: boolean; readonly names: readonly string[]; readonly used: boolean };
  readonly memory: {
    readonly totalBytes: number;
    readonly availableBytes: number;
    readonly limitBytes?: number;
  };
  readonly cache: { readonly directory: string; readonly freeBytes?: number };
  /** The command that would fetch TensorFlow. */
  readonly pip?: { readonly command: string; readonly version: string };
  readonly problems: readonly Problem[];
}

export async function doctor(): Promise<EngineReport> {
  const problems: Problem[] = [];
  const note = (severity: Problem['severity'], what: string, mend: string): void => {
    problems.push({ severity, what, mend });
  };
  const attempt = <T>(probe: () => T, otherwise: T): T => {
    try {
      return probe();
    } catch (thrown) {
      const error = EmlocError.from(thrown);
      note(
        'error',
        `${error.field === undefined ? '' : `${error.field}: `}${error.message}`,
        error.mend ?? '',
      );
      return otherwise;
    }
  };

  const cpu = attempt(cpuInfo, { model: 'unknown', cores: 1, features: [] });
  const runtime = attempt(() => findRuntime(), undefined);
  const misnamed = problems.length > 0 && runtime === undefined;
  const pip = await findPip().catch(() => undefined);
  const engine = runtime === undefined ? undefined : await tryEngine(note);
  const cache = attempt(readCache, { directory: '' });
  const memory = attempt(readMachineMemory, { totalBytes: totalmem(), availableBytes: freemem() });
  const gpuNames = attempt(gpus, []);
  const seen = attempt(() => nvidiaGpu(), false);

  if (compareVersions(process.versions.node, OLDEST_NODE) < 0) {
    note('error', `Node ${process.versions.node} is older than ${OLDEST_NODE}`, 'install Node 20, 22 or 24');
  }
  if (runtime === undefined && !misnamed) {
    const choice = attempt(() => choosePackage(), undefined);
    if (choice !== undefined && pip === undefined) {
      note('error', 'TensorFlow is not there, and pip to fetch it neither', 'install Python 3 with pip');
    } else if (choice !== undefined) {
      note(
        'warning',
        'TensorFlow is not there yet',
        `${choice.name} ${choice.version} is fetched at the first use`,
      );
    }
    if (choice !== undefined && cache.freeBytes !== undefined && cache.freeBytes < choice.neededBytes) {
      note(
        'error',
        `${gigabytes(cache.freeBytes)} are free at ${cache.directory}, fetching TensorFlow needs ${gigabytes(choice.neededBytes)}`,
        'free some space, or set EMLOC_CACHE to a directory on another disk',
      );
    }
  }
  if (cpu.features.length > 0 && process.arch === 'x64' && !cpu.features.includes('avx2')) {
    note(
      'warning',
      'the processor lacks AVX2: products are several times slower',
      'use a processor from 2013 or later',
    );
  }
  if (memory.availableBytes < LITTLE_MEMORY_BYTES) {
    note('warning', `only ${gigabytes(memory.availableBytes)} of memory are available`, 'end other programs');
  }
  if (seen && engine !== undefined && engine.gpu === undefined) {
    note('warning', 'a GPU is there, but TensorFlow does not use it', gpuMend(runtime));
  }

  const glibc = glibcVersion();
  return {
    node: { version: process.versions.node, path: process.execPath },
    system: { platform: process.platform, arch: process.arch, release: release(), ...(glibc && { glibc }) },
    ...(runtime && {
      tensorflow: {
        origin: runtime.origin,
        directory: runtime.directory,
        version: engine?.tensorflowVersion ?? runtime.version,
        works: engine !== undefined,
      },
    }),
    cpu,
    threads: engine?.threads ?? cpu.cores,
    bf16: engine?.bf16 ?? attempt(() => chooseHalfPrecision(cpu, false), 'cast'),
    gpu: { seen, names: gpuNames, used: engine?.gpu !== undefined },
    memory,
    cache,
    ...(pip && { pip: { command: [pip.command, ...pip.prefix].join(' '), version: pip.version } }),
    problems,
  };
}

async function tryEngine(
  note: (severity: Problem['severity'], what: string, mend: string) => void,
): Promise<EngineInfo | undefined> {
  try {
    const engine = await startEngine();
    const trace = tidy(() => toNumber(sum(matmul(ones([4, 4]), ones([4, 4])))));
    if (trace === 64) return engine;
    note(
      'error',
      `TensorFlow computes wrongly: ${trace} instead of 64`,
      'remove it and have it fetched again',
    );
  } catch (thrown) {
    const error = EmlocError.from(thrown);
    note('error', error.message, error.mend ?? 'remove it and have it fetched again');
  }
  return undefined;
}

function readCache(): EngineReport['cache'] {
  const directory = cacheDirectory();
  let existing = directory;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  accessSync(existing, constants.W_OK);
  const disk = statfsSync(existing);
  return { directory, freeBytes: disk.bavail * disk.bsize };
}

function readMachineMemory(): EngineReport['memory'] {
  let availableBytes = freemem();
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    if (kilobytes !== undefined) availableBytes = Number(kilobytes) * 1024;
  } catch {
    // Not Linux: free memory is the nearest.
  }
  const limitBytes = memoryLimitBytes();
  return { totalBytes: totalmem(), availableBytes, ...(limitBytes !== undefined && { limitBytes }) };
}

function gpus(): string[] {
  const listed = spawnSync('nvidia-smi', ['--query-gpu=name,memory.total', '--format=csv,noheader'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return listed.status === 0 ? listed.stdout.trim().split('\n').filter(Boolean) : [];
}

const gpuMend = (runtime: RuntimeLocation | undefined): string =>
  runtime !== undefined && !runtime.gpu && runtime.cuda.length === 0
    ? `${runtime.directory} seems to be a build for the processor: without it the CUDA build is fetched`
    : 'check the driver with nvidia-smi; see what TensorFlow says with TF_CPP_MIN_LOG_LEVEL=0';

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
