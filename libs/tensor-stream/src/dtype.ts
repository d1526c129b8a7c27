/** Element types of tensors, at rest (safetensors) and on the wire. */
export const dtypeBytes = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u8: 1,
  bool: 1,
} as const satisfies Record<string, number>;

export type DType = keyof typeof dtypeBytes;

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export const elementCount = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export const byteLength = (info: Pick<TensorInfo, 'dtype' | 'shape'>): number =>
  elementCount(info.shape) * dtypeBytes[info.dtype];
