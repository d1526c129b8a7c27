import { afterEach, expect, test, vi } from 'vitest';
import { doctor } from './index.ts';

afterEach(() => vi.unstubAllEnvs());

test('what is wrong with a setting is told with its mend, and nothing is thrown', async () => {
  vi.stubEnv('EMLOC_TENSORFLOW_DIR', '/nowhere/at/all');
  const report = await doctor();
  expect(report.tensorflow).toBeUndefined();
  expect(report.problems).toEqual([
    expect.objectContaining({
      severity: 'error',
      what: expect.stringContaining('EMLOC_TENSORFLOW_DIR'),
      mend: expect.stringContaining('unset it'),
    }),
  ]);
});

test('the machine is described', async () => {
  const report = await doctor();
  expect(report.node.version).toBe(process.versions.node);
  expect(report.cpu.cores).toBeGreaterThan(0);
  expect(report.threads).toBeGreaterThan(0);
  expect(report.memory.totalBytes).toBeGreaterThan(report.memory.availableBytes);
  expect(report.cache.freeBytes).toBeGreaterThan(0);
  // Where TensorFlow is there, it was tried.
  if (report.tensorflow !== undefined) {
    expect(report.tensorflow).toMatchObject({ works: true, version: expect.stringMatching(/^2\.\d+\.\d+/) });
  }
});
