/** emloc.inference.v1.InferenceService. */
import { currentTraceparent, raw, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, readOperationId, type StageContext } from '@emloc/service-kit';
import { readEvaluation, readScore } from './requests.ts';

export const inferenceImplementation = ({ warm, sources, start }: StageContext): Implementation => ({
  score: raw.responses(async function* (message: object, { signal }: CallContext) {
    const request = await readScore(new Fields(message), sources);
    yield* warm.call({ kind: 'score', request, signal, traceparent: currentTraceparent() }).output;
  }),
  async startEvaluation(message: object) {
    const fields = new Fields(message);
    const id = readOperationId(fields);
    return start(id, 'evaluate', await readEvaluation(fields, sources));
  },
});
