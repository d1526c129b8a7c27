/** Starts TensorFlow in this process: finds or fetches it, loads it for good, makes the one context. */
import { EmlocError } from '@emloc/errors';
import { isStarted, native, openContext } from './binding/context.ts';
import { loadLibrary } from './binding/library.ts';
import { quietly } from './binding/quiet.ts';
import { chooseHalfPrecision, setHalfPrecision, type HalfPrecision } from './half-precision.ts';
import { settleAllocator } from './memory.ts';
import { ensureRuntime, type RuntimeProgress } from './runtime/fetch.ts';
import type { RuntimeLocation } from './runtime/locate.ts';
import {
  compareVersions,
  cpuInfo,
  memoryLimitBytes,
  nvidiaGpu,
  OLDEST_VERSION,
  usableCores,
} from './runtime/platform.ts';
import { chooseStreams, setStreams } from './streams.ts';
import { progressOnStderr } from './runtime/report-progress.ts';

export interface EngineOptions {
  /** Threads inside one op. Default: EMLOC_THREADS, or every core that this process may use. */
  readonly threads?: number;
  /** `auto` uses an NVIDIA GPU where there is one. Default: EMLOC_DEVICE, or `auto`. */
  readonly device?: 'cpu' | 'gpu' | 'auto';
  /** Default: lines on stderr. */
  readonly onProgress?: (progress: RuntimeProgress) => void;
}

export interface EngineInfo {
  readonly tensorflowVersion: string;
  readonly runtime: RuntimeLocation;
  readonly threads: number;
  readonly device: 'cpu' | 'gpu';
  /** TensorFlow's name of the GPU. */
  readonly gpu: string | undefined;
  /** How products of bf16 matrices are computed. */
  readonly bf16: HalfPrecision;
}

let starting: Promise<EngineInfo> | undefined;

/** Starts the engine once per process; later calls give what the first one started. */
export function startEngine(options: EngineOptions = {}): Promise<EngineInfo> {
  starting ??= start(options).catch((thrown: unknown) => {
    // A start that failed before TensorFlow was loaded may be tried again.
    if (!isStarted()) starting = undefined;
    throw thrown;
  });
  return starting;
}

async function start(options: EngineOptions): Promise<EngineInfo> {
  const threads = positive('threads', options.threads ?? numberFrom('EMLOC_THREADS') ?? usableCores());
  const streams = numberFrom('EMLOC_STREAMS');
  if (streams !== undefined) positive('EMLOC_STREAMS', streams);
  const device = options.device ?? deviceFromEnvironment();
  const env = { ...process.env, EMLOC_DEVICE: device };
  const seesGpu = nvidiaGpu(env);
  if (device === 'gpu' && !seesGpu) throw noGpu('there is no NVIDIA GPU here');
  const runtime = await ensureRuntime({ env, onProgress: options.onProgress ?? progressOnStderr() });

  settleAllocator();
  setDefaults(seesGpu);
  const lib = quietly(() => loadLibrary(runtime, seesGpu ? runtime.cuda : []));
  const tensorflowVersion = lib.version();
  if (compareVersions(tensorflowVersion, OLDEST_VERSION) < 0) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'RUNTIME_TOO_OLD',
      `TensorFlow ${tensorflowVersion} is older than ${OLDEST_VERSION}`,
      { value: runtime.directory, mend: 'update it, or unset EMLOC_TENSORFLOW_DIR to have one fetched' },
    );
  }
  const { gpu } = quietly(() => openContext(lib, { threads, gpu: seesGpu }));
  if (device === 'gpu' && gpu === undefined) throw noGpu('TensorFlow cannot use the GPU that is here');
  const bf16 = chooseHalfPrecision(cpuInfo(), gpu !== undefined);
  setHalfPrecision(bf16);
  setStreams(chooseStreams(threads, gpu !== undefined, streams));
  return { tensorflowVersion, runtime, threads, device: gpu === undefined ? 'cpu' : 'gpu', gpu, bf16 };
}

const noGpu = (message: string): EmlocError =>
  new EmlocError('FAILED_PRECONDITION', 'GPU_NOT_FOUND', message, {
    field: 'device',
    value: 'gpu',
    mend: 'run `emloc doctor`, or use the device auto or cpu',
  });

/** What TensorFlow reads from the environment when it is loaded; what the user has set stays. */
function setDefaults(gpu: boolean): void {
  const { env } = process;
  // Errors only: its notes on CPU features and missing CUDA are no news to anybody.
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // oneDNN's products are faster on AVX2 too, where TensorFlow leaves them off: twice for wide and batched ones.
  if (process.arch === 'x64') env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  // oneDNN's allocator keeps what tensors free for the next ones; it fails cleanly at its limit, so tell it ours.
  const limitBytes = memoryLimitBytes();
  if (limitBytes !== undefined) env.TF_MKL_ALLOC_MAX_BYTES ??= String(limitBytes);
  // TensorFloat-32 keeps ten bits of a float32's mantissa: too few for results that are to agree with the processor's.
  if (gpu) env.NVIDIA_TF32_OVERRIDE ??= '0';
}

function positive(field: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'THREADS_OUT_OF_RANGE',
    `${field} must be a whole number from 1 on`,
    {
      field,
      value: String(value),
    },
  );
}

function numberFrom(variable: string): number | undefined {
  const given = process.env[variable];
  return given ? Number(given) : undefined;
}

function deviceFromEnvironment(): 'cpu' | 'gpu' | 'auto' {
  const given = process.env.EMLOC_DEVICE ?? 'auto';
  if (given === 'cpu' || given === 'gpu' || given === 'auto') return given;
  throw new EmlocError('INVALID_ARGUMENT', 'DEVICE_UNKNOWN', `no such device: ${given}`, {
    field: 'EMLOC_DEVICE',
    value: given,
    mend: 'use cpu, gpu or auto',
  });
}

/** Lets TensorFlow drop compiled kernels that it keeps for ops it has seen. */
export function clearKernelCache(): void {
  const n = native();
  n.lib.clearCaches(n.context);
}
