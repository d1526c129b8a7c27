/** emloc.training.v1.TrainingService. */
import { currentTraceparent, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, readOperationId, type StageContext } from '@emloc/service-kit';
import { readPlan, readTraining } from './requests.ts';

export const trainingImplementation = ({ warm, sources, start }: StageContext): Implementation => ({
  async planTraining(message: object, { signal }: CallContext) {
    const request = await readPlan(new Fields(message), sources);
    return warm.call({ kind: 'plan', request, signal, traceparent: currentTraceparent() }).result;
  },
  async startTraining(message: object) {
    const fields = new Fields(message);
    const id = readOperationId(fields);
    return start(id, 'train', await readTraining(fields, sources));
  },
});
