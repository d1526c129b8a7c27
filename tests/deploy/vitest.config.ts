import { mergeConfig } from 'vitest/config';
import shared from '../../vitest.shared.ts';

/** Files start servers and meshes: one at a time. Where a tool is not there yet, it is built within a hook. */
export default mergeConfig(shared, {
  test: { fileParallelism: false, testTimeout: 600_000, hookTimeout: 3_600_000 },
});
