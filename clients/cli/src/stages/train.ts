/** Training as a command: checks, the operation, the adapter and its log. Ctrl-C pauses; `--resume` goes on. */
import { EmlocError } from '@emloc/errors';
import { checkData, checkOptionalData } from '../checks/data.ts';
import { checkEvaluation } from '../checks/evaluation.ts';
import { checkLora } from '../checks/lora.ts';
import { checkOutput, writeOutput } from '../checks/output.ts';
import { checkWeights } from '../checks/weights.ts';
import type { TrainOptions } from '../commands/train.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { resumable, resumeCommand } from '../operations/resume-hint.ts';
import { newId, runOperation } from '../operations/run-operation.ts';
import { forgetRun, recallRun, rememberRun } from '../operations/remembered-runs.ts';
import { toTrainingOptions } from '../options/training-request.ts';
import { formatNumber } from '../output/format.ts';
import { pairs } from '../output/table.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withSession, type Files, type Session } from '../session/session.ts';
import type { OperationResult } from '../wire/operation.ts';
import { present } from '../wire/present.ts';
import type { StartTrainingRequest } from '../wire/stages.ts';
import { measuredLines } from './measured-lines.ts';
import { measured } from './stage.ts';

export async function train(
  context: CommandContext,
  typed: TrainOptions,
  isTyped: (option: string) => boolean,
): Promise<void> {
  const place = checkOutput(typed.output, { kind: 'directory', overwrite: typed.overwrite });
  const logPlace =
    typed.log === undefined
      ? undefined
      : checkOutput(typed.log, { kind: 'file', overwrite: typed.overwrite, option: '--log' });
  const options = await fromHub(context, typed);
  const request = await checkedRequest(context, options, isTyped);
  const paused = options.resume ? recallRun(context.home, place.path) : undefined;
  if (options.resume && paused === undefined) throw nothingToResume(options.output);
  if (options.server === undefined) await prepareRuntime(context.output);

  const finish = async (result: OperationResult, { files }: Session): Promise<void> => {
    const training = present(result.training, 'training');
    await writeOutput(place, (draft) => files.fetch(training.adapter, draft));
    if (logPlace !== undefined) await writeOutput(logPlace, (draft) => files.fetch(training.log, draft));
    context.output.result(
      {
        output: place.path,
        digest: training.adapter.digest,
        steps: training.steps,
        final_loss: training.finalLoss,
        best_evaluation_loss: training.bestEvaluationLoss,
        tokens: training.tokens,
        stopped_early: training.stoppedEarly,
        log: logPlace?.path,
        ...measured(result),
      },
      () =>
        pairs([
          ['steps', `${training.steps}${training.stoppedEarly ? ' (stopped early)' : ''}`],
          ['loss of the last steps', formatNumber(training.finalLoss)],
          ...(training.bestEvaluationLoss === undefined
            ? []
            : ([['best held-out loss', formatNumber(training.bestEvaluationLoss)]] as const)),
          ['tokens', training.tokens],
          ...measuredLines(result),
          ['output', options.output],
        ]),
    );
  };

  await withSession(context, options, async (session) => {
    const id = paused ?? newId('train');
    const { connections, files } = session;
    const before =
      paused === undefined
        ? undefined
        : await (await connections.operations('training')).getOperation({ id });
    const begin = async (): Promise<unknown> =>
      paused === undefined
        ? (await connections.stage('training')).startTraining(await request(id, files))
        : (await connections.operations('training')).resumeOperation({ id });
    rememberRun(context.home, place.path, id);
    try {
      const result = await runOperation(context, connections, {
        service: 'training',
        id,
        begin,
        fromCursor: before?.operation.cursor,
        onInterrupt: 'pause',
      });
      context.output.endProgress();
      await finish(result, session);
      forgetRun(context.home, place.path);
    } catch (error) {
      throw resumable(error, `${resumeCommand(context.args)} goes on`);
    }
  });
}

/** Everything that was typed, looked at; the request is made when the mesh is there to take its files. */
async function checkedRequest(
  context: CommandContext,
  options: TrainOptions,
  isTyped: (option: string) => boolean,
): Promise<(operationId: string, files: Files) => Promise<StartTrainingRequest>> {
  const { evalData, adapterInit } = options;
  checkEvaluation(options, true);
  const weights = await checkWeights(options);
  const data = await checkData(context, '--data', options.data, weights.directory, options, 'every');
  const heldOut = await checkOptionalData(
    context,
    '--eval-data',
    evalData,
    weights.directory,
    options,
    'some',
  );
  const lora = await checkLora(context.output, options, weights.directory, isTyped);
  return async (operationId, files) => ({
    operationId,
    ...(await weights.source(files)),
    dataset: await data.spec(files),
    evalDataset: await heldOut?.spec(files),
    lora,
    options: toTrainingOptions(options),
    adapterInit: adapterInit === undefined ? undefined : await files.input(adapterInit),
  });
}

const nothingToResume = (output: string): EmlocError =>
  new EmlocError('NOT_FOUND', 'NOTHING_TO_RESUME', `no interrupted training into ${output} is known`, {
    field: '--resume',
    value: output,
    mend: 'leave --resume out to start anew',
  });
