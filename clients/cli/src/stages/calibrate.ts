/** Calibration as a command: checks, the operation, the statistics file. */
import { checkData } from '../checks/data.ts';
import { checkModel } from '../checks/inputs.ts';
import { checkOutput, writeOutput } from '../checks/output.ts';
import type { CalibrateOptions } from '../commands/calibrate.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { pairs } from '../output/table.ts';
import { present } from '../wire/present.ts';
import { measuredLines } from './measured-lines.ts';
import { measured, runStage } from './stage.ts';

export async function calibrate(context: CommandContext, typed: CalibrateOptions): Promise<void> {
  const place = checkOutput(typed.output, { kind: 'file', overwrite: typed.overwrite });
  const options = await fromHub(context, typed);
  const model = await checkModel('--model', options.model, options.server);
  const data = await checkData(context, '--data', options.data, model, options);
  await runStage(context, {
    service: 'calibration',
    kind: 'calibrate',
    server: options.server,
    start: async (client, operationId, files) =>
      client.startCalibration({
        operationId,
        model: files.model(options.model),
        options: {
          dataset: await data.spec(files),
          samples: options.samples,
          seed: options.seed,
        },
      }),
    finish: async (result, { files }) => {
      const { statistics, samples, tokens } = present(result.calibration, 'calibration');
      await writeOutput(place, (draft) => files.fetch(statistics, draft));
      context.output.result(
        { output: place.path, digest: statistics.digest, samples, tokens, ...measured(result) },
        () =>
          pairs([
            ['samples', samples],
            ['tokens', tokens],
            ...measuredLines(result),
            ['output', options.output],
          ]),
      );
    },
  });
}
