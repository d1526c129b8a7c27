/** `emloc models pull`. */
import { checkOutput } from '../checks/output.ts';
import { underOption } from '../checks/under-option.ts';
import type { PullOptions } from '../commands/models.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';
import { pullableModels } from '@emloc/models';
import { fetchModel } from './fetch-model.ts';

export async function pullNamedModel(
  { output, signal }: CommandContext,
  name: string,
  { output: directory, overwrite }: PullOptions,
): Promise<void> {
  if (!pullableModels.includes(name)) {
    throw new UsageError('UNKNOWN_MODEL', `there is no model ${name} to pull`, {
      field: '<name>',
      value: name,
      mend: `choose ${pullableModels.join(' or ')}; convert any GGUF file with emloc models import`,
    });
  }
  if (directory !== undefined) checkOutput(directory, { kind: 'directory', overwrite });
  const path = await underOption({ option: '<name>', value: name }, () =>
    fetchModel(output, name, { output: directory, overwrite, signal }),
  );
  output.result({ model: name, path }, () => path);
}
