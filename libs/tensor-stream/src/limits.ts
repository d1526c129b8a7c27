/** Every limit on tensors, at rest and on the wire, with its reason. */
export const tensorLimits = {
  /** As the safetensors library: a header is parsed whole, so a lying length must not cost memory. */
  headerBytes: 100_000_000,
  /** Chunks fit gRPC's default message limit of 4 MiB with room to spare, and larger ones were not faster. */
  chunkBytes: 1024 * 1024,
  /** Longest module names are below 100 characters. */
  nameCharacters: 512,
  /** TensorFlow's kernels end at 8 axes. */
  rank: 8,
  /** One ArrayBuffer holds no more on Node 20. */
  tensorBytes: 2 ** 32,
} as const;
