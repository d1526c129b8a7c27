/**
 * The tensor engine: TensorFlow through its C API. The only library that knows TensorFlow.
 */
export { startEngine, type EngineInfo, type EngineOptions } from './start.ts';
export { ensureRuntime, type EnsureRuntimeOptions, type RuntimeProgress } from './runtime/fetch.ts';
export { findRuntime, type RuntimeLocation } from './runtime/locate.ts';
export { cpuInfo, usableCores, type CpuInfo } from './runtime/platform.ts';
export type { DType } from '@emloc/tensor-stream';
export { Tensor, liveTensors } from './tensor.ts';
export { keep, tidy } from './tidy.ts';
export { sideBySide, streamCount } from './streams.ts';
export { halfPrecision, type HalfPrecision } from './half-precision.ts';
export {
  bytesOf,
  scalar,
  tensor,
  tensorFromBytes,
  toArray,
  toFloat32Array,
  toFloat64Array,
  toNumber,
  type TensorData,
  type TypedArray,
} from './create.ts';
export { MAPPED_ALIGNMENT, MappedFile, type MappedTensorInfo } from './mapped-file.ts';
export { readMemory, resetPeak, settleMemory, trimMemory, type MemoryReading } from './memory.ts';
export { fromTfjs, tf, toTfjs } from './tfjs/index.ts';
export { doctor, type EngineReport, type Problem } from './doctor.ts';
export { attr } from './binding/execute.ts';
export { rawOp, type Operand } from './ops/call.ts';
export * from './ops/math.ts';
export * from './ops/matmul.ts';
export * from './ops/linear.ts';
export * from './ops/reduce.ts';
export * from './ops/shape.ts';
export * from './ops/nn.ts';
export * from './ops/linalg.ts';
export * from './ops/random.ts';
