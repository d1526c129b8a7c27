/** emloc.inference.v1.InferenceService. */
import { currentTraceparent, raw, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, readOperationId, type StageContext } from '@emloc/service-kit';
import { readGeneration } from './generation-request.ts';
import { readEvaluation, readScore } from './requests.ts';

export const inferenceImplementation = ({ warm, holders, sources, start }: StageContext): Implementation => ({
  generate: raw.responses(async function* (message: object, { signal }: CallContext) {
    const request = await readGeneration(new Fields(message), sources);
    const call = { kind: 'generate', request, signal, traceparent: currentTraceparent() };
    yield* holders.call(request.weights.path, call).output;
  }),
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
