/**
 * The one TensorFlow context of the process: the library, the eager context, a status and scratch memory that every
 * call shares. All calls come from JavaScript's one thread, so sharing is safe.
 */
import { EmlocError } from '@emloc/errors';
import { configProto, type ContextConfig } from './config-proto.ts';
import { cString, staticMemory, type Address } from './libc.ts';
import type { TensorFlowLibrary } from './library.ts';

/** As many outputs as any op has here, and as many dimensions or list inputs. */
export const MAX_OUTPUTS = 1024;
const SCRATCH_BYTES = 2 * MAX_OUTPUTS * 8 + 8;

export interface Native {
  readonly lib: TensorFlowLibrary;
  readonly context: Address;
  readonly status: Address;
  /** Scratch for inputs and dimensions: 8-byte cells. */
  readonly cellsAt: Address;
  readonly cells: BigInt64Array;
  /** Where `execute` writes output handles, as pairs of 32-bit words, and their count. */
  readonly outputsAt: Address;
  readonly outputs: Uint32Array;
  readonly countAt: Address;
  readonly count: Int32Array;
  /** The GPU that tensors are placed on; undefined on the processor. */
  readonly gpuName: Address | undefined;
  readonly gpu: string | undefined;
}

let current: Native | undefined;

/** The running context. Thrown where nobody has started the engine. */
export function native(): Native {
  if (current === undefined) {
    throw new EmlocError('FAILED_PRECONDITION', 'ENGINE_NOT_STARTED', 'the tensor engine is not started', {
      mend: 'await startEngine() first',
    });
  }
  return current;
}

export const isStarted = (): boolean => current !== undefined;

export function openContext(lib: TensorFlowLibrary, config: ContextConfig): Native {
  const status = lib.newStatus();
  const check = (): void => {
    if (lib.statusCode(status) === 0) return;
    throw new EmlocError(
      'INTERNAL',
      'ENGINE_START_FAILED',
      `TensorFlow did not start: ${lib.statusMessage(status)}`,
      {
        mend: 'run `emloc doctor`',
      },
    );
  };
  const options = lib.newContextOptions();
  const proto = configProto(config);
  lib.setConfig(options, proto, proto.length, status);
  check();
  const context = lib.newContext(options, status);
  check();
  lib.deleteContextOptions(options);

  const gpu = config.gpu ? firstGpu(lib, context, status) : undefined;
  const scratch = staticMemory(SCRATCH_BYTES);
  const outputsOffset = MAX_OUTPUTS * 8;
  const countOffset = 2 * MAX_OUTPUTS * 8;
  current = {
    lib,
    context,
    status,
    cellsAt: scratch.at,
    cells: new BigInt64Array(scratch.buffer, 0, MAX_OUTPUTS),
    outputsAt: scratch.at + outputsOffset,
    outputs: new Uint32Array(scratch.buffer, outputsOffset, 2 * MAX_OUTPUTS),
    countAt: scratch.at + countOffset,
    count: new Int32Array(scratch.buffer, countOffset, 1),
    gpuName: gpu === undefined ? undefined : cString(gpu),
    gpu,
  };
  return current;
}

function firstGpu(lib: TensorFlowLibrary, context: Address, status: Address): string | undefined {
  const list = lib.listDevices(context, status);
  try {
    for (let i = 0; i < lib.deviceCount(list); i++) {
      if (lib.deviceType(list, i, status) === 'GPU') return lib.deviceName(list, i, status);
    }
    return undefined;
  } finally {
    lib.deleteDeviceList(list);
  }
}
