/** The names that safetensors files give to element types. */
import type { DType } from '../dtype.ts';

export const safetensorsName: Readonly<Record<DType, string>> = {
  f64: 'F64',
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  i64: 'I64',
  i32: 'I32',
  i16: 'I16',
  i8: 'I8',
  u8: 'U8',
  bool: 'BOOL',
};

const byName = new Map(Object.entries(safetensorsName).map(([dtype, name]) => [name, dtype as DType]));

/** Undefined for a type that is not ours, such as `F8_E4M3`. */
export const dtypeOfSafetensors = (name: string): DType | undefined => byName.get(name);
