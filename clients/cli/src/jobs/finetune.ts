/** The whole job as a command: checks, the job on the coordinator, its files and figures. */
import { splitHeldOut } from '@emloc/datasets';
import { EmlocError } from '@emloc/errors';
import { checkData, checkOptionalData } from '../checks/data.ts';
import { checkModel, checkRatios } from '../checks/inputs.ts';
import { checkEvaluation } from '../checks/evaluation.ts';
import { checkLora } from '../checks/lora.ts';
import { checkOutput } from '../checks/output.ts';
import type { FinetuneOptions } from '../commands/finetune.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { newId } from '../operations/run-operation.ts';
import { forgetRun, rememberRun } from '../operations/remembered-runs.ts';
import { toTrainingOptions } from '../options/training-request.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withSession, type Files } from '../session/session.ts';
import { toCompressionOptions } from '../stages/compress.ts';
import { toCorrectionMethod } from '../stages/correct.ts';
import { UsageError } from '../usage-error.ts';
import type { FineTuneJobSpec } from '../wire/job.ts';
import { followJob } from './follow-job.ts';
import { finishJob } from './job-result.ts';

export async function finetune(
  context: CommandContext,
  typed: FinetuneOptions,
  isTyped: (option: string) => boolean,
): Promise<void> {
  const { home, output } = context;
  const { overwrite } = typed;
  const place = checkOutput(typed.output, { kind: 'directory', overwrite });
  const log =
    typed.log === undefined
      ? undefined
      : checkOutput(typed.log, { kind: 'file', overwrite, option: '--log' });
  checkId(typed.id);
  const options = await fromHub(context, typed);
  const spec = await checkedSpec(context, options, isTyped);
  if (options.server === undefined) await prepareRuntime(output);
  const id = options.id ?? newId('finetune');
  await withSession(context, options, async (session) => {
    const jobs = await session.connections.jobs();
    rememberRun(home, place.path, id, log?.path);
    await jobs.createFineTuneJob({ id, spec: await spec(session.files) });
    output.note(`job ${id}`);
    const end = await followJob(context, jobs, { id, onInterrupt: 'pause' });
    if (end !== undefined) await finishJob(context, session, id, end, { output: place, log });
    forgetRun(home, place.path);
  });
}

/** Everything that was typed, looked at; the spec is made when the mesh is there to take its files. */
async function checkedSpec(
  context: CommandContext,
  options: FinetuneOptions,
  isTyped: (option: string) => boolean,
): Promise<(files: Files) => Promise<FineTuneJobSpec>> {
  const { evalData, maxSteps, refineSteps, adapterInit } = options;
  // All steps exact is LoRA on the original, which needs no emulator.
  const allExact = refineSteps === 'all';
  if (!allExact && refineSteps !== undefined && maxSteps !== undefined && refineSteps > maxSteps) {
    throw new UsageError('OUT_OF_RANGE', `${refineSteps} exact steps are more than all ${maxSteps}`, {
      field: '--refine-steps',
      value: String(refineSteps),
      mend: `choose a number from 0 to ${maxSteps}`,
    });
  }
  checkEvaluation(options, false);
  const model = await checkModel('--model', options.model, options.server);
  const ratios = allExact ? { ratio: 1 } : await checkRatios(options, model, 0.5);
  const lora = await checkLora(context.output, options, model, isTyped);
  const data = await checkData(context, '--data', options.data, model, options, 'every');
  const heldOut = await checkOptionalData(context, '--eval-data', evalData, model, options, 'some');
  if (heldOut === undefined && data.rows !== undefined) checkHoldsOut(options.data, data.rows);
  return async (files) => ({
    model: files.model(options.model),
    dataset: await data.spec(files),
    evalDataset: await heldOut?.spec(files),
    compression: toCompressionOptions(ratios, options.compressionMethod),
    calibration: { samples: options.samples, seed: options.seed },
    lora,
    training: toTrainingOptions(options),
    refineSteps: allExact ? undefined : refineSteps,
    refineLearningRate: options.refineLearningRate,
    correctionMethod: toCorrectionMethod(options.correctionMethod),
    maxCorrectionRatio: options.maxCorrectionRatio,
    memoryBudgetBytes: options.memoryBudget,
    adapterInit: adapterInit === undefined ? undefined : await files.input(adapterInit),
  });
}

/** The rows that choose among the adapters are taken from the data, where none are given. */
function checkHoldsOut(data: string, rows: number): void {
  if (splitHeldOut(rows).heldOut.length > 0) return;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'NO_HELD_OUT_ROWS',
    `${data} has too few rows to hold some out`,
    {
      field: '--data',
      value: data,
      mend: 'give more rows, or held-out rows with --eval-data',
    },
  );
}

function checkId(id: string | undefined): void {
  if (id === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) return;
  throw new UsageError('BAD_ID', `'${id}' cannot name a job`, {
    field: '--id',
    value: id,
    mend: 'use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first',
  });
}
