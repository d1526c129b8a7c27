/**
 * Configurations that the golden fixtures do not have, as transformers writes them: the same logits. Needs a Python with
 * torch and transformers (EMLOC_PYTHON, else python3); without one the test is shown as skipped.
 */
import { startEngine, tidy, toFloat64Array } from '@emloc/engine';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { forwardPass, logitsOf, openModel, openWeights, plainLinears, prepareBatch } from './index.ts';
import { maxRelative } from './testing/fixture.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const python = process.env['EMLOC_PYTHON'] ?? 'python3';
const script = fileURLToPath(new URL('../../../tests/reference/variants.py', import.meta.url));
const found = spawnSync(python, ['-c', 'import torch, transformers']).status === 0;

test.skipIf(!found)(
  'transformers gives our logits for scalings, windows and patterns (skipped without torch, transformers)',
  async () => {
    await startEngine();
    const directory = temporaryDirectory();
    const made = spawnSync(python, [script, directory], { encoding: 'utf8' });
    expect(made.status, made.stderr).toBe(0);
    const cases = readdirSync(directory);
    expect(cases.length).toBeGreaterThan(10);
    for (const name of cases) {
      const dir = join(directory, name);
      const { ids, logits } = JSON.parse(readFileSync(join(dir, 'reference.json'), 'utf8')) as {
        ids: number[];
        logits: number[];
      };
      const source = openWeights(openModel(dir), { mode: 'streamed', computeDtype: 'f64' });
      const batch = prepareBatch(source, [{ inputIds: ids }], 'f64');
      const { hidden, dispose } = await forwardPass(source, [batch], (_, w) => plainLinears(w));
      const ours = source.withHead((head) => tidy(() => toFloat64Array(logitsOf(source, hidden[0]!, head))));
      dispose();
      batch.dispose();
      source.close();
      expect(ours.length, name).toBe(logits.length);
      expect(maxRelative(ours, logits), name).toBeLessThan(1e-5);
    }
  },
  300_000,
);
