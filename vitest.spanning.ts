import { defineConfig, mergeConfig } from 'vitest/config';
import shared from './vitest.shared.ts';

/**
 * What tests that start whole meshes share: two files at a time (a mesh waits as much as it works), two tests where a
 * file says so, patience, no colours in what they read (Nx asks its tasks for some), and in continuous integration a
 * second try, which the report names: dozens of processes beside unknown neighbours.
 */
export default mergeConfig(
  shared,
  defineConfig({
    test: {
      env: { FORCE_COLOR: '0' },
      maxWorkers: 2,
      maxConcurrency: 2,
      testTimeout: 300_000,
      hookTimeout: 300_000,
      retry: process.env['CI'] ? 1 : 0,
    },
  }),
);
