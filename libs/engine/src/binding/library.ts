/**
 * TensorFlow's C API (`tensorflow/c/c_api.h`, `tensorflow/c/eager/c_api.h`), as far as the engine calls it, bound
 * through koffi. Pointers are numbers, names are C strings made once, so a call costs about 0.1 µs.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { EmlocError } from '@emloc/errors';
import { pinLibrary, type Address } from './libc.ts';

const p = 'uintptr_t';

export type TensorFlowLibrary = ReturnType<typeof bindLibrary>;

/** Loads both libraries for good and binds the functions. `preload` goes first: the libraries of CUDA, in order. */
export function loadLibrary(
  paths: { framework: string; library: string },
  preload: readonly string[] = [],
): TensorFlowLibrary {
  for (const path of [...preload, paths.framework, paths.library]) {
    const problem = pinLibrary(path);
    if (problem !== undefined) throw loadError(path, problem);
  }
  return bindLibrary(koffi.load(paths.framework), koffi.load(paths.library));
}

function loadError(path: string, problem: string): EmlocError {
  const glibc = /version `(GLIBC\w*_[\d.]+)' not found/.exec(problem)?.[1];
  if (glibc !== undefined) {
    return new EmlocError(
      'FAILED_PRECONDITION',
      'SYSTEM_TOO_OLD',
      `TensorFlow needs ${glibc}, which this system's C library does not have`,
      {
        value: path,
        mend: 'use a newer system, or a container image with glibc 2.27 or later',
        cause: problem,
      },
    );
  }
  return new EmlocError(
    'FAILED_PRECONDITION',
    'RUNTIME_NOT_LOADABLE',
    `TensorFlow cannot be loaded: ${problem}`,
    {
      value: path,
      mend: 'run `emloc doctor`; remove the directory to have it fetched again',
    },
  );
}

function bindLibrary(framework: LibraryHandle, library: LibraryHandle) {
  // Which of the two libraries exports a function differs between platforms and versions.
  const bind = <T>(name: string, result: string, parameters: string[]): T => {
    try {
      return library.func(name, result, parameters) as unknown as T;
    } catch {
      return framework.func(name, result, parameters) as unknown as T;
    }
  };
  type F<A extends unknown[], R> = (...args: A) => R;
  type At = Address;
  return {
    version: bind<F<[], string>>('TF_Version', 'str', []),

    newStatus: bind<F<[], At>>('TF_NewStatus', p, []),
    statusCode: bind<F<[At], number>>('TF_GetCode', 'int', [p]),
    statusMessage: bind<F<[At], string>>('TF_Message', 'str', [p]),
    setStatus: bind<F<[At, number, string], void>>('TF_SetStatus', 'void', [p, 'int', 'str']),

    newContextOptions: bind<F<[], At>>('TFE_NewContextOptions', p, []),
    setConfig: bind<F<[At, Uint8Array, number, At], void>>('TFE_ContextOptionsSetConfig', 'void', [
      p,
      'const void *',
      'size_t',
      p,
    ]),
    deleteContextOptions: bind<F<[At], void>>('TFE_DeleteContextOptions', 'void', [p]),
    newContext: bind<F<[At, At], At>>('TFE_NewContext', p, [p, p]),
    listDevices: bind<F<[At, At], At>>('TFE_ContextListDevices', p, [p, p]),
    deviceCount: bind<F<[At], number>>('TF_DeviceListCount', 'int', [p]),
    deviceName: bind<F<[At, number, At], string>>('TF_DeviceListName', 'str', [p, 'int', p]),
    deviceType: bind<F<[At, number, At], string>>('TF_DeviceListType', 'str', [p, 'int', p]),
    deleteDeviceList: bind<F<[At], void>>('TF_DeleteDeviceList', 'void', [p]),
    clearCaches: bind<F<[At], void>>('TFE_ContextClearCaches', 'void', [p]),

    /** (asynchronous, streaming enqueue, most pending; 0: no limit) */
    newExecutor: bind<F<[boolean, boolean, number], At>>('TFE_NewExecutor', p, ['bool', 'bool', 'int']),
    executor: bind<F<[At], At>>('TFE_ContextGetExecutorForThread', p, [p]),
    setExecutor: bind<F<[At, At], void>>('TFE_ContextSetExecutorForThread', 'void', [p, p]),
    awaitExecutor: bind<F<[At, At], void>>('TFE_ExecutorWaitForAllPendingNodes', 'void', [p, p]),
    clearExecutor: bind<F<[At], void>>('TFE_ExecutorClearError', 'void', [p]),

    allocateTensor: bind<F<[number, At, number, number], At>>('TF_AllocateTensor', p, [
      'int',
      p,
      'int',
      'size_t',
    ]),
    /** (dtype, dims, rank, data, bytes, deallocator, its argument) */
    newTensor: bind<F<[number, At, number, At, number, At, At], At>>('TF_NewTensor', p, [
      'int',
      p,
      'int',
      p,
      'size_t',
      p,
      p,
    ]),
    deleteTensor: bind<F<[At], void>>('TF_DeleteTensor', 'void', [p]),
    tensorData: bind<F<[At], At>>('TF_TensorData', p, [p]),
    tensorBytes: bind<F<[At], number>>('TF_TensorByteSize', 'size_t', [p]),

    newHandle: bind<F<[At, At], At>>('TFE_NewTensorHandle', p, [p, p]),
    deleteHandle: bind<F<[At], void>>('TFE_DeleteTensorHandle', 'void', [p]),
    resolveHandle: bind<F<[At, At], At>>('TFE_TensorHandleResolve', p, [p, p]),
    shareHandle: bind<F<[At, At], At>>('TFE_TensorHandleCopySharingTensor', p, [p, p]),
    copyToDevice: bind<F<[At, At, At, At], At>>('TFE_TensorHandleCopyToDevice', p, [p, p, p, p]),
    handleType: bind<F<[At], number>>('TFE_TensorHandleDataType', 'int', [p]),
    handleRank: bind<F<[At, At], number>>('TFE_TensorHandleNumDims', 'int', [p, p]),
    handleDim: bind<F<[At, number, At], number>>('TFE_TensorHandleDim', 'int64_t', [p, 'int', p]),
    handleElements: bind<F<[At, At], number>>('TFE_TensorHandleNumElements', 'int64_t', [p, p]),

    newOp: bind<F<[At, At, At], At>>('TFE_NewOp', p, [p, p, p]),
    deleteOp: bind<F<[At], void>>('TFE_DeleteOp', 'void', [p]),
    setDevice: bind<F<[At, At, At], void>>('TFE_OpSetDevice', 'void', [p, p, p]),
    addInput: bind<F<[At, At, At], void>>('TFE_OpAddInput', 'void', [p, p, p]),
    addInputList: bind<F<[At, At, number, At], void>>('TFE_OpAddInputList', 'void', [p, p, 'int', p]),
    attrType: bind<F<[At, At, number], void>>('TFE_OpSetAttrType', 'void', [p, p, 'int']),
    attrTypes: bind<F<[At, At, Int32Array, number], void>>('TFE_OpSetAttrTypeList', 'void', [
      p,
      p,
      'const void *',
      'int',
    ]),
    attrBool: bind<F<[At, At, number], void>>('TFE_OpSetAttrBool', 'void', [p, p, 'uchar']),
    attrBools: bind<F<[At, At, Uint8Array, number], void>>('TFE_OpSetAttrBoolList', 'void', [
      p,
      p,
      'const void *',
      'int',
    ]),
    attrInt: bind<F<[At, At, number], void>>('TFE_OpSetAttrInt', 'void', [p, p, 'int64_t']),
    attrInts: bind<F<[At, At, BigInt64Array, number], void>>('TFE_OpSetAttrIntList', 'void', [
      p,
      p,
      'const void *',
      'int',
    ]),
    attrFloat: bind<F<[At, At, number], void>>('TFE_OpSetAttrFloat', 'void', [p, p, 'float']),
    attrFloats: bind<F<[At, At, Float32Array, number], void>>('TFE_OpSetAttrFloatList', 'void', [
      p,
      p,
      'const void *',
      'int',
    ]),
    attrString: bind<F<[At, At, Uint8Array, number], void>>('TFE_OpSetAttrString', 'void', [
      p,
      p,
      'const void *',
      'size_t',
    ]),
    attrShape: bind<F<[At, At, BigInt64Array, number, At], void>>('TFE_OpSetAttrShape', 'void', [
      p,
      p,
      'const void *',
      'int',
      p,
    ]),
    /** (op, where the output handles go, how many fit and came, status) */
    execute: bind<F<[At, At, At, At], void>>('TFE_Execute', 'void', [p, p, p, p]),

    stringInit: bind<F<[At], void>>('TF_StringInit', 'void', [p]),
    stringCopy: bind<F<[At, Uint8Array, number], void>>('TF_StringCopy', 'void', [
      p,
      'const void *',
      'size_t',
    ]),
    stringData: bind<F<[At], At>>('TF_StringGetDataPointer', p, [p]),
    stringBytes: bind<F<[At], number>>('TF_StringGetSize', 'size_t', [p]),
  };
}
