/** `emloc models import`. */
import { importGguf } from '@emloc/models';
import { checkOutput } from '../checks/output.ts';
import { underOption } from '../checks/under-option.ts';
import type { ImportOptions } from '../commands/models.ts';
import type { CommandContext } from '../context.ts';
import { pairs } from '../output/table.ts';

export async function importModel(
  { output, signal }: CommandContext,
  file: string,
  { output: directory, overwrite, dtype }: ImportOptions,
): Promise<void> {
  const { path } = checkOutput(directory, { kind: 'directory', overwrite });
  const made = await underOption({ option: '<file>', value: file }, () =>
    importGguf(file, path, {
      dtype,
      overwrite,
      signal,
      onProgress: ({ what, doneBytes, totalBytes }) =>
        output.progress({ stage: 'convert', done: doneBytes, total: totalBytes, unit: 'bytes', note: what }),
    }),
  );
  output.result({ path, architecture: made.architecture, dtype: made.dtype, tensors: made.tensors }, () =>
    pairs([
      ['architecture', made.architecture],
      ['type', made.dtype],
      ['tensors', made.tensors],
      ['output', directory],
    ]),
  );
}
