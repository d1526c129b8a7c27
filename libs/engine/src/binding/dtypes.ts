/** TensorFlow's numbers for element types (`tensorflow/c/tf_datatype.h`), both ways. */
import type { DType } from '@emloc/tensor-stream';

export const TF_DTYPE: Readonly<Record<DType, number>> = {
  f32: 1,
  f64: 2,
  i32: 3,
  u8: 4,
  i16: 5,
  i8: 6,
  i64: 9,
  bool: 10,
  bf16: 14,
  f16: 19,
};

/** Types that tfjs or an op may meet, and that are no element type of ours. */
export const TF_STRING = 7;
export const TF_COMPLEX64 = 8;
export const TF_RESOURCE = 20;

const names = new Map<number, DType>(
  Object.entries(TF_DTYPE).map(([name, number]) => [number, name as DType]),
);

export const dtypeOf = (tfType: number): DType | undefined => names.get(tfType);

/** For messages: the name, or the number where it is none of ours. */
export const dtypeName = (tfType: number): string => names.get(tfType) ?? `dtype ${tfType}`;
