/** emloc.operation.v1.OperationService over an operation manager: written once, served by every stage. */
import { EmlocError } from '@emloc/errors';
import type { CallContext, ServiceEntry } from '@emloc/mesh';
import { isFinal, type Operation, type OperationManager } from '@emloc/operations';
import { Fields } from '../requests/fields.ts';
import { parseFilter, type FilterFields } from '../requests/filter.ts';
import { readPage } from '../requests/pages.ts';
import { readResourceId } from '../requests/resource-names.ts';
import { eventToProto, operationToProto, operationStates } from './to-proto.ts';

const states = Object.fromEntries(operationStates.map((state) => [`OPERATION_STATE_${state}`, state]));

/** What operations may be filtered by. */
const filterFields: FilterFields<Operation> = {
  id: { type: 'text', of: ({ id }) => id },
  kind: { type: 'text', of: ({ kind }) => kind },
  state: {
    type: 'choice',
    values: operationStates,
    prefix: 'OPERATION_STATE_',
    of: ({ state }) => state,
  },
  create_time: { type: 'time', of: ({ createdAt }) => createdAt },
  update_time: { type: 'time', of: ({ updatedAt }) => updatedAt },
};

const readId = (request: object): string => readResourceId(new Fields(request), 'id', 'operations', 128);

/** `kinds`: those of this service; the directory that it shares with others holds theirs too. */
export function operationService(manager: OperationManager, kinds: readonly string[]): ServiceEntry {
  const one = async (request: object, act: (id: string) => Promise<Operation>): Promise<object> => ({
    operation: operationToProto(await act(readId(request))),
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
        await manager.delete(readId(request));
        return {};
      },
      async listOperations(request: object) {
        const state = new Fields(request).choice('state', states);
        const page = readPage(request, state);
        const matches = parseFilter(page.filter, filterFields);
        const found = await manager.list({
          pageSize: page.pageSize,
          pageToken: page.pageToken,
          state,
          where: (operation) => kinds.includes(operation.kind) && matches(operation),
        });
        return {
          operations: found.operations.map(operationToProto),
          nextPageToken: page.next(found.nextPageToken),
        };
      },
      async *watchOperation(request: object, call: CallContext) {
        const fields = new Fields(request);
        const id = readId(request);
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
