/** What this machine is, as far as the choice of a TensorFlow build and of its settings depends on it. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { spawnSync } from 'node:child_process';

/** The TensorFlow that is fetched: its package and version are tested together with the engine. */
export const TENSORFLOW_VERSION = '2.21.0';

/** The oldest installed one that is used: all that the engine calls exists since then. */
export const OLDEST_VERSION = '2.16.0';

/** TensorFlow's wheels for Linux are built against this glibc. */
export const OLDEST_GLIBC = '2.27';

const suffix = process.platform === 'darwin' ? '.2.dylib' : '.so.2';
export const FRAMEWORK_FILE = `libtensorflow_framework${suffix}`;
export const LIBRARY_FILE = `libtensorflow_cc${suffix}`;

/** undefined: a C library other than glibc (Alpine's musl), or not Linux. */
export function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}

/** Negative, 0 or positive, as numbers part by part. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((v) => v.split('.').map((part) => Number.parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(x!.length, y!.length); i++) {
    const difference = (x![i] ?? 0) - (y![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether an NVIDIA GPU is there to be used: EMLOC_DEVICE=cpu refuses it, CUDA_VISIBLE_DEVICES empty or -1 hides it. */
export function nvidiaGpu(env: NodeJS.ProcessEnv = process.env): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64' || env.EMLOC_DEVICE === 'cpu') return false;
  if (env.CUDA_VISIBLE_DEVICES === '' || env.CUDA_VISIBLE_DEVICES === '-1') return false;
  return existsSync('/dev/nvidia0') || existsSync('/proc/driver/nvidia/version') || nvidiaSmiSees();
}

function nvidiaSmiSees(): boolean {
  const listed = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8', timeout: 10_000 });
  return listed.status === 0 && listed.stdout.includes('GPU ');
}

/** Cores that this process may use: its affinity, and its container's quota where that is less. */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), containerQuota() ?? Infinity));
}

function containerQuota(): number | undefined {
  try {
    const [quota, period] = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8').trim().split(' ');
    return quota === 'max' ? undefined : Math.ceil(Number(quota) / Number(period));
  } catch {
    return undefined;
  }
}

/** The memory that a container may take; undefined where no less than the machine's is set. */
export function memoryLimitBytes(): number | undefined {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const limit = Number(readFileSync(file, 'utf8').trim());
      return Number.isFinite(limit) && limit < totalmem() ? limit : undefined;
    } catch {
      // The other version of cgroups, or none.
    }
  }
  return undefined;
}

/** The processor's name and the abilities that decide how half precision is computed. */
export interface CpuInfo {
  readonly model: string;
  readonly cores: number;
  readonly features: readonly string[];
}

const TOLD_FEATURES = [
  'avx',
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'avx512_fp16',
  'amx_bf16',
  'amx_tile',
  'neon',
  'asimd',
  'bf16',
  'sve',
];

export function cpuInfo(): CpuInfo {
  let text = '';
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux: only the number of cores is known.
  }
  const field = (name: RegExp): string => name.exec(text)?.[1]?.trim() ?? '';
  const flags = new Set(field(/^(?:flags|Features)\s*:(.*)$/m).split(/\s+/));
  return {
    model: field(/^model name\s*:(.*)$/m) || `${process.arch} processor`,
    cores: usableCores(),
    features: TOLD_FEATURES.filter((name) => flags.has(name)),
  };
}
