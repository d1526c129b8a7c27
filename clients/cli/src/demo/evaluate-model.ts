/** One row of the demo's table: a model, perhaps with an adapter, asked for the section of each test row. */
import type { CommandContext } from '../context.ts';
import type { Connections } from '../mesh/connections.ts';
import { newId, runOperation } from '../operations/run-operation.ts';
import type { Source } from '../wire/artifact.ts';
import type { OperationResult } from '../wire/operation.ts';
import { present } from '../wire/present.ts';
import type { StartEvaluationRequest, Weights } from '../wire/stages.ts';
import { microBatch, precision, sections, testFile, trainFile } from './settings.ts';

export interface Subject {
  readonly name: string;
  readonly weights: Weights;
  readonly adapter?: Source;
  readonly emulatorSteps: number;
  readonly exactSteps: number;
}

export interface Evaluated {
  readonly subject: Subject;
  readonly accuracy: number;
  readonly loss: number;
  readonly result: OperationResult;
}

export async function evaluateModel(
  context: CommandContext,
  connections: Connections,
  subject: Subject,
  maxRows: number | undefined,
): Promise<Evaluated> {
  context.output.note(`evaluate: ${subject.name}`);
  const result = await evaluation(context, connections, {
    ...subject.weights,
    adapter: subject.adapter,
    dataset: { source: { path: testFile }, maxRows },
    choices: sections,
  });
  const { loss, choiceAccuracy } = present(result.evaluation, 'evaluation');
  return { subject, accuracy: present(choiceAccuracy, 'choice_accuracy'), loss, result };
}

/** What memory is held against: the original's weights all mapped, training rows through it as in training, no gradient. */
export async function measureInference(
  context: CommandContext,
  connections: Connections,
  model: string,
): Promise<OperationResult> {
  context.output.note('measure inference with the original');
  return evaluation(context, connections, {
    model: { path: model },
    dataset: { source: { path: trainFile }, maxRows: 8 * microBatch },
  });
}

/** All weights mapped, in the demo's precision. */
async function evaluation(
  context: CommandContext,
  connections: Connections,
  request: Weights & Pick<StartEvaluationRequest, 'adapter' | 'dataset' | 'choices'>,
): Promise<OperationResult> {
  const inference = await connections.stage('inference');
  const id = newId('demo-evaluate');
  return runOperation(context, connections, {
    service: 'inference',
    id,
    begin: () =>
      inference.startEvaluation({
        operationId: id,
        ...request,
        exactMatch: false,
        precision,
        weightLoading: 'WEIGHT_LOADING_RESIDENT',
      }),
    onInterrupt: 'delete',
  });
}
