import { defineConfig } from 'vitest/config';

/** What every project's tests share. `using` is lowered for Node 20; a test that hangs fails after a minute. */
export default defineConfig({
  oxc: { target: 'node20' },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    passWithNoTests: false,
  },
});
