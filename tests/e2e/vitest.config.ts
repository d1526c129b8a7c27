import { mergeConfig } from 'vitest/config';
import shared from '../../vitest.shared.ts';

/** Each file starts meshes of its own: one file at a time. */
export default mergeConfig(shared, {
  test: { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000 },
});
