/** TensorFlow, fetched where it is not there yet: before the mesh starts, with progress, once a machine. */
import { ensureRuntime } from '@emloc/engine';
import type { Output } from '../output/output.ts';

export async function prepareRuntime(output: Output): Promise<void> {
  await ensureRuntime({
    onProgress: ({ phase, package: name, doneBytes, totalBytes }) =>
      output.progress(
        phase === 'waiting'
          ? { stage: `${name} is being fetched by another process` }
          : { stage: `${phase} ${name}`, done: doneBytes, total: totalBytes, unit: 'bytes' },
      ),
  });
  output.endProgress();
}
