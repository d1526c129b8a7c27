/** emloc.operation.v1.OperationService over an operation manager: written once, served by every stage. */
import { EmlocError } from '@emloc/errors';
import type { CallContext, ServiceEntry } from '@emloc/mesh';
import { isFinal, type Operation, type OperationManager } from '@emloc/operations';
import { Fields } from '../requests/fields.ts';
import { eventToProto, fromProtoState, operationToProto } from './to-proto.ts';

/** `kinds`: those of this service; the directory that it shares with others holds theirs too. */
export function operationService(manager: OperationManager, kinds: readonly string[]): ServiceEntry {
  const one = async (request: object, act: (id: string) => Promise<Operation>): Promise<object> => ({
    operation: operationToProto(await act(new Fields(request).requiredText('id', 128))),
  });
  return {
    package: 'emloc.operation.v1',
    service: 'OperationService',
    implementation: {
      getOperation: (request: object) => one(request, (id) => manager.get(id)),
      cancelOperation: (request: object) => one(request, (id) => manager.cancel(id)),
      pauseOperation: (request: object) => one(request, (id) => manager.pause(id)),
      resumeOperation: (request: object) => one(request, (id) => manager.resume(id)),
      async deleteOperation(request: object) {
        await manager.delete(new Fields(request).requiredText('id', 128));
        return {};
      },
      async listOperations(request: object) {
        const fields = new Fields(request);
        const page = await manager.list({
          pageSize: fields.integer('pageSize', { min: 1, max: 500 }) ?? 50,
          pageToken: fields.text('pageToken'),
          state: fromProtoState((request as { state: string }).state),
        });
        const own = page.operations.filter(({ kind }) => kinds.includes(kind));
        return { operations: own.map(operationToProto), nextPageToken: page.nextPageToken ?? '' };
      },
      async *watchOperation(request: object, call: CallContext) {
        const fields = new Fields(request);
        const id = fields.requiredText('id', 128);
        const signal = AbortSignal.any([call.signal, call.draining]);
        for await (const event of manager.watch(id, fields.integer('afterCursor', { min: 0 }) ?? 0, signal)) {
          const final = event.state === 'SUCCEEDED' ? await manager.get(id) : undefined;
          yield { event: eventToProto(event, final) };
        }
        // A stream that ends without the event that ends the operation must not look complete.
        if (call.draining.aborted && !isFinal((await manager.get(id)).state)) throw draining();
      },
    },
  };
}

const draining = (): EmlocError =>
  new EmlocError('UNAVAILABLE', 'SERVICE_STOPPING', 'the service is stopping', {
    mend: 'watch again after the last cursor',
  });
