/** emloc.correction.v1.CorrectionService. */
import { currentTraceparent, raw, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, pieces, readOperationId, type StageContext } from '@emloc/service-kit';
import { readCorrection, readMerge } from './requests.ts';

export const correctionImplementation = ({ warm, sources, start }: StageContext): Implementation => ({
  correct: raw(async function* (requests: AsyncIterable<Buffer>, { signal }: CallContext) {
    const traceparent = currentTraceparent();
    for await (const input of pieces(requests)) {
      yield* warm.call({ kind: 'correct-linear', request: {}, input, signal, traceparent }).output;
    }
  }),
  async startCorrection(message: object) {
    const fields = new Fields(message);
    const id = readOperationId(fields);
    return start(id, 'correct', await readCorrection(fields, sources));
  },
  async startMerge(message: object) {
    const fields = new Fields(message);
    const id = readOperationId(fields);
    return start(id, 'merge', await readMerge(fields, sources));
  },
});
