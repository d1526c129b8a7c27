import { defineConfig } from 'vitest/config';

/**
 * What every project's tests share. `using` is lowered for Node 20; a test that hangs fails after a minute, and what is
 * polled for may take as long as a loaded machine needs.
 */
export default defineConfig({
  oxc: { target: 'node20' },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    passWithNoTests: false,
    expect: { poll: { timeout: 30_000 } },
  },
});
