import { mergeConfig } from 'vitest/config';
import shared from '../../vitest.shared.ts';

/** Each file starts meshes of its own: one file at a time. */
export default mergeConfig(shared, {
  test: { fileParallelism: false, testTimeout: 180_000, hookTimeout: 180_000 },
});
