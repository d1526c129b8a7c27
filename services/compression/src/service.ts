/** emloc.compression.v1.CompressionService. */
import { currentTraceparent, raw, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, pieces, readOperationId, type StageContext } from '@emloc/service-kit';
import { readCompression } from './requests.ts';

export const compressionImplementation = (context: StageContext): Implementation => ({
  compress: raw(async function* (requests: AsyncIterable<Buffer>, { signal }: CallContext) {
    const traceparent = currentTraceparent();
    for await (const input of pieces(requests)) {
      yield* context.warm.call({ kind: 'compress-linear', request: {}, input, signal, traceparent }).output;
    }
  }),
  async startCompression(message: Parameters<typeof readCompression>[0]) {
    const id = readOperationId(new Fields(message));
    return context.start(id, 'compress', await readCompression(message, context.sources));
  },
});
