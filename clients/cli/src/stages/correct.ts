/** Correction as a command: checks, the operation, the adapter, clamp figures and the candidates' losses. */
import type { AdapterDirectory } from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import { checkOptionalData } from '../checks/data.ts';
import { checkAdapter, checkModel } from '../checks/inputs.ts';
import { checkOutput, writeOutput } from '../checks/output.ts';
import type { CorrectOptions } from '../commands/correct.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import type { CorrectionMethodName } from '../options/correction.ts';
import { toPrecision } from '../options/training-request.ts';
import { formatNumber } from '../output/format.ts';
import { pairs, table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import type { CandidateEvaluation, LinearCorrection } from '../wire/operation.ts';
import { present } from '../wire/present.ts';
import type { CorrectionMethod } from '../wire/stages.ts';
import { measuredLines } from './measured-lines.ts';
import { measured, runStage } from './stage.ts';

export async function correct(context: CommandContext, typed: CorrectOptions): Promise<void> {
  const place = checkOutput(typed.output, { kind: 'directory', overwrite: typed.overwrite });
  const method = typed.method ?? (typed.evalData === undefined ? 'paper' : 'auto');
  if (method === 'auto' && typed.evalData === undefined) {
    throw new UsageError('MISSING_OPTION', 'auto chooses by held-out rows, and none are given', {
      field: '--eval-data',
      mend: 'give --eval-data, or choose --method paper',
    });
  }
  const options = await fromHub(context, typed);
  const model = await checkModel('--model', options.model, options.server);
  const emulator = await checkModel('--emulator', options.emulator, options.server);
  checkUncorrected(options.adapter, await checkAdapter('--adapter', options.adapter, model, context.output));
  await checkSameOriginal(options, model, emulator);
  const heldOut = await checkOptionalData(context, '--eval-data', options.evalData, model, options, 'some');
  await runStage(context, {
    service: 'correction',
    kind: 'correct',
    server: options.server,
    start: async (client, operationId, files) =>
      client.startCorrection({
        operationId,
        model: files.model(options.model),
        emulator: await files.input(options.emulator),
        adapter: await files.input(options.adapter),
        method: toCorrectionMethod(method),
        maxCorrectionRatio: options.maxCorrectionRatio,
        heldOut: await heldOut?.spec(files),
        precision: toPrecision(options.precision),
      }),
    finish: async (result, { files }) => {
      const { adapter, chosen, candidates, linears } = present(result.correction, 'correction');
      await writeOutput(place, (draft) => files.fetch(adapter, draft));
      context.output.result(
        {
          output: place.path,
          digest: adapter.digest,
          method,
          chosen,
          candidates: candidates.map(candidateObject),
          linears: linears.map(({ module, clampedRows, rows, clampRatios }) => ({
            module,
            clamped_rows: clampedRows,
            rows,
            clamp_ratios: clampRatios,
          })),
          ...measured(result),
        },
        () => {
          const { clamped, rows, median } = clampFigures(linears);
          const parts = [
            ...(candidates.length === 0 ? [] : [candidateTable(candidates), '']),
            pairs([
              ['chosen', chosen],
              ...(rows === 0
                ? []
                : ([
                    ['rows limited', `${clamped} of ${rows}`],
                    ['median ratio of correction to adapter', formatNumber(median)],
                  ] as const)),
              ...measuredLines(result),
              ['output', options.output],
            ]),
          ];
          return parts.join('\n');
        },
      );
    },
  });
}

export const toCorrectionMethod = (method: CorrectionMethodName): CorrectionMethod =>
  `CORRECTION_METHOD_${method.toUpperCase() as Uppercase<CorrectionMethodName>}`;

export const candidateObject = (candidate: CandidateEvaluation): Record<string, unknown> => ({
  name: candidate.name,
  method: candidate.method,
  max_correction_ratio: candidate.maxCorrectionRatio,
  scale: candidate.scale,
  loss: candidate.loss,
  rows: candidate.rows,
  chosen: candidate.chosen,
});

export function candidateTable(candidates: readonly CandidateEvaluation[]): string {
  const columns = [
    { title: 'candidate' },
    { title: 'held-out loss', align: 'right' },
    { title: 'rows', align: 'right' },
    { title: '' },
  ] as const;
  return table(
    columns,
    candidates.map(({ name, loss, rows, chosen }) => [
      name,
      formatNumber(loss),
      rows,
      chosen ? 'chosen' : '',
    ]),
  );
}

function clampFigures(linears: readonly LinearCorrection[]) {
  const ratios = linears.flatMap((linear) => linear.clampRatios).sort((a, b) => a - b);
  return {
    clamped: linears.reduce((sum, { clampedRows }) => sum + clampedRows, 0),
    rows: linears.reduce((sum, { rows }) => sum + rows, 0),
    median: ratios[Math.floor(ratios.length / 2)] ?? 0,
  };
}

function checkUncorrected(typed: string, { history }: AdapterDirectory): void {
  const { correction, refinedSteps = 0 } = history;
  if (correction === undefined && refinedSteps === 0) return;
  const how =
    correction === undefined ? 'trained on the original already' : `corrected already (${correction.method})`;
  const message = `${typed} was ${how}`;
  throw new EmlocError('FAILED_PRECONDITION', 'ADAPTER_ALREADY_CORRECTED', message, {
    field: '--adapter',
    value: typed,
    mend: 'name the adapter as it was trained on the emulator',
  });
}

/** Told before any work where reading the model once is quick; the service looks in any case. */
const quicklyReadBytes = 2e9;

async function checkSameOriginal(
  typed: CorrectOptions,
  model: ModelDirectory | undefined,
  emulator: ModelDirectory | undefined,
): Promise<void> {
  const original = emulator?.emulator?.original;
  if (model === undefined || original === undefined || model.weightBytes > quicklyReadBytes) return;
  if ((await model.digest()) === original.digest) return;
  const message = `${typed.emulator} was made of another model (${original.name}) than ${typed.model}`;
  throw new EmlocError('FAILED_PRECONDITION', 'EMULATOR_OF_OTHER_MODEL', message, {
    field: '--emulator',
    value: typed.emulator,
    mend: 'name the emulator of this model, or compress this model',
  });
}
