/**
 * Refuses a specification that no stage would take, before a job of it exists. What only the model or the rows can tell
 * (modules, lengths, shapes) the plan stage refuses.
 */
import { EmlocError } from '@emloc/errors';
import { readResourceId, type Fields } from '@emloc/service-kit';
import type { Spec } from '../jobs/job.ts';
import { pruned } from '../jobs/pruned.ts';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function readJobId(request: Fields): string {
  const id = readResourceId(request, 'id', 'fineTuneJobs', 1000);
  if (idPattern.test(id)) return id;
  throw request.wrong('id', 'is not a job id', 'use letters, digits, ".", "_" and "-", at most 64');
}

export function readSpec(spec: Fields, raw: object): Spec {
  checkSource(spec.required('model'));
  const dataset = spec.required('dataset');
  checkSource(dataset.required('source'));
  dataset.forbid('split', 'the job splits the rows itself, or takes eval_dataset');
  const evalDataset = spec.message('evalDataset');
  if (evalDataset !== undefined) checkSource(evalDataset.required('source'));
  const adapterInit = spec.message('adapterInit');
  if (adapterInit !== undefined) checkSource(adapterInit);
  checkCompression(spec.message('compression'));
  const calibration = spec.message('calibration');
  for (const name of ['dataset', 'shardIndex', 'shardCount']) calibration?.forbid(name, 'the job sets it');
  calibration?.integer('samples', { min: 1, max: 100_000 });
  const training = spec.message('training');
  training?.forbid('dataStartStep', 'the job sets it');
  training?.integer('maxSteps', { min: 1 });
  training?.number('learningRate', { min: 0 });
  training?.number('numTrainEpochs', { min: 0, above: true });
  const refineSteps = spec.integer('refineSteps', { min: 0 });
  const maxSteps = training?.integer('maxSteps');
  if (refineSteps !== undefined && maxSteps !== undefined && refineSteps > maxSteps) {
    throw spec.wrong('refineSteps', `is more than all ${maxSteps} steps`, `choose at most ${maxSteps}`);
  }
  spec.number('refineLearningRate', { min: 0 });
  spec.number('maxCorrectionRatio', { min: 0 });
  spec.integer('memoryBudgetBytes', { min: 1 });
  const choices = spec.texts('choices', 1000);
  const choiceIds = spec.messages('choiceIds', 1000);
  if (choices.length > 0 && choiceIds.length > 0) {
    throw spec.wrong('choiceIds', 'stands beside choices', 'give one of the two');
  }
  return pruned(raw) as Spec;
}

/** Where it leads is looked up by the services that read it. */
function checkSource(source: Fields): void {
  if (source.text('path') === undefined && source.message('artifact')?.text('digest') === undefined) {
    source.missing('path');
  }
}

function checkCompression(compression: Fields | undefined): void {
  if (compression === undefined) return;
  const rule = { min: 0, above: true, max: 1 };
  const ratio = compression.number('ratio', rule);
  const ratios = compression.messages('ratios', 1000);
  for (const each of ratios) {
    each.requiredText('pattern', 1000);
    each.number('ratio', rule);
  }
  if (ratio !== undefined && ratios.length > 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', 'ratio and ratios exclude each other', {
      field: compression.pathOf('ratios'),
      mend: 'give one of the two',
    });
  }
}
