/**
 * The bytes of a `tensorflow.ConfigProto` (tensorflow/core/protobuf/config.proto), as far as the engine sets it. Five
 * fields by hand are less than a protobuf library.
 */

const VARINT = 0;
const BYTES = 2;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

const number = (field: number, value: number): number[] => [(field << 3) | VARINT, ...varint(value)];
const bytes = (field: number, value: readonly number[]): number[] => [
  (field << 3) | BYTES,
  ...varint(value.length),
  ...value,
];

export interface ContextConfig {
  /** Threads inside one op. */
  readonly threads: number;
  readonly gpu: boolean;
}

export function configProto({ threads, gpu }: ContextConfig): Uint8Array {
  const noGpu = [
    ...bytes(
      1,
      [...'GPU'].map((c) => c.charCodeAt(0)),
    ),
    ...number(2, 0),
  ];
  return Uint8Array.from([
    // device_count {"GPU": 0}: no device is made, no memory is taken on it.
    ...(gpu ? [] : bytes(1, noGpu)),
    // intra_op_parallelism_threads
    ...number(2, threads),
    // inter_op_parallelism_threads: ops are run one after the other, so one suffices.
    ...number(5, 1),
    // gpu_options.allow_growth: take memory as it is needed, not the whole card.
    ...bytes(6, number(4, 1)),
    // allow_soft_placement: an op without a kernel for the card runs on the processor.
    ...number(7, 1),
  ]);
}
