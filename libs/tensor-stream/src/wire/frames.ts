/**
 * The messages of `emloc.tensor.v1` as plain objects, as proto-loader takes and gives them (camelCase, enums as names).
 * No generated type and no gRPC here; proto/emloc/tensor/v1/tensor.proto is the contract.
 */
import type { DType } from '../dtype.ts';

export type WireDType = `D_TYPE_${Uppercase<DType>}`;

export interface TensorHeader {
  readonly name: string;
  readonly dtype: WireDType;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

export interface TensorChunk {
  readonly data: Uint8Array;
}

export interface TensorEnd {
  /** CRC-32 as in zlib and PNG, of all the data in order. */
  readonly crc32: number;
}

/** Exactly one of the three is set. */
export interface TensorFrame {
  readonly header?: TensorHeader | null;
  readonly chunk?: TensorChunk | null;
  readonly end?: TensorEnd | null;
}

const dtypes = ['f64', 'f32', 'f16', 'bf16', 'i64', 'i32', 'i16', 'i8', 'u8', 'bool'] as const;
const fromWire = new Map<string, DType>(dtypes.map((dtype) => [toWireDType(dtype), dtype]));

export function toWireDType(dtype: DType): WireDType {
  return `D_TYPE_${dtype.toUpperCase()}` as WireDType;
}

/** Undefined for D_TYPE_UNSPECIFIED and for a number that the contract does not have. */
export const fromWireDType = (dtype: string | number): DType | undefined => fromWire.get(String(dtype));
