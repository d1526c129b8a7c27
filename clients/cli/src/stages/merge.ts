/** Merging as a command: checks, the operation, the model directory. */
import { checkAdapter, checkModel } from '../checks/inputs.ts';
import { checkOutput, writeOutput } from '../checks/output.ts';
import type { MergeOptions } from '../commands/merge.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { pairs } from '../output/table.ts';
import { present } from '../wire/present.ts';
import { measuredLines } from './measured-lines.ts';
import { measured, runStage } from './stage.ts';

export async function merge(context: CommandContext, typed: MergeOptions): Promise<void> {
  const place = checkOutput(typed.output, { kind: 'directory', overwrite: typed.overwrite });
  const options = await fromHub(context, typed);
  const model = await checkModel('--model', options.model, options.server);
  await checkAdapter('--adapter', options.adapter, model, context.output);
  await runStage(context, {
    service: 'correction',
    kind: 'merge',
    server: options.server,
    start: async (client, operationId, files) =>
      client.startMerge({
        operationId,
        model: files.model(options.model),
        adapter: await files.input(options.adapter),
      }),
    finish: async (result, { files }) => {
      const { model } = present(result.merge, 'merge');
      await writeOutput(place, (draft) => files.fetch(model, draft));
      context.output.result({ output: place.path, digest: model.digest, ...measured(result) }, () =>
        pairs([...measuredLines(result), ['output', options.output]]),
      );
    },
  });
}
