/** `--model` or `--emulator`: exactly one of the two. */
import type { ModelDirectory } from '@emloc/models';
import type { Files } from '../session/session.ts';
import { UsageError } from '../usage-error.ts';
import type { Weights } from '../wire/stages.ts';
import { checkModel } from './inputs.ts';

export interface TypedWeights {
  readonly model?: string;
  readonly emulator?: string;
  readonly server?: string;
}

export interface CheckedWeights {
  readonly directory: ModelDirectory | undefined;
  source(files: Files): Promise<Weights>;
}

export async function checkWeights({ model, emulator, server }: TypedWeights): Promise<CheckedWeights> {
  if (model !== undefined && emulator !== undefined) {
    throw new UsageError('CONFLICTING_OPTIONS', 'both --model and --emulator are given', {
      field: '--emulator',
      value: emulator,
      mend: 'give one of them',
    });
  }
  if (emulator !== undefined) {
    const directory = await checkModel('--emulator', emulator, server);
    return { directory, source: async (files) => ({ emulator: await files.input(emulator) }) };
  }
  if (model !== undefined) {
    const directory = await checkModel('--model', model, server);
    return { directory, source: async (files) => ({ model: files.model(model) }) };
  }
  throw new UsageError('MISSING_OPTION', 'neither --model nor --emulator is given', {
    field: '--model',
    mend: 'give one of them',
  });
}
