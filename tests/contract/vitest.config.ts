import { defineConfig, mergeConfig } from 'vitest/config';
import shared from '../../vitest.shared.ts';

/** Each file has a mesh of its own, which fills two cores: one file after the other, and patience on a busy machine. */
export default mergeConfig(
  shared,
  defineConfig({ test: { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000 } }),
);
