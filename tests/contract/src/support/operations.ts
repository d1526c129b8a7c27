/** Operations as a test sees them: started, awaited, watched. */
import {
  fromStatusMessage,
  serviceContracts,
  type Connection,
  type ServiceName,
  type StatusMessage,
} from '@emloc/mesh';
import type { OperationResult } from '@emloc/service-kit';
import type { TestMesh } from './test-mesh.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- messages as proto-loader gives them; the contract is what is tested */
export interface OperationMessage {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly attempt: number;
  readonly cursor: number;
  readonly usage: { readonly peakResidentBytes: number } | null;
  readonly result?: OperationResult & Record<string, any>;
  readonly error?: StatusMessage;
}
export type Methods = Record<string, (request: any, options?: any) => any>;
/* eslint-enable */

export class StageClient {
  readonly call: Methods;
  readonly operations: Methods;

  constructor(mesh: TestMesh, name: Exclude<ServiceName, 'coordinator'>) {
    const own: Connection<Methods> = mesh.client(name, `emloc.${name}.v1`, serviceContracts[name]);
    const operations: Connection<Methods> = mesh.client(name, 'emloc.operation.v1', 'OperationService');
    this.call = own.call;
    this.operations = operations.call;
  }

  /** Starts and waits; throws the error of one that failed. */
  async run(
    rpc: string,
    request: { readonly operationId: string; readonly [field: string]: unknown },
  ): Promise<OperationMessage> {
    await this.call[rpc]!(request);
    return this.wait(request.operationId);
  }

  async wait(id: string): Promise<OperationMessage> {
    for await (const _ of this.operations['watchOperation']!({ id, afterCursor: 0 }));
    const { operation } = (await this.operations['getOperation']!({ id })) as { operation: OperationMessage };
    if (operation.error) throw fromStatusMessage(operation.error);
    return operation;
  }

  async events(id: string, afterCursor = 0): Promise<Record<string, unknown>[]> {
    const events: Record<string, unknown>[] = [];
    for await (const { event } of this.operations['watchOperation']!({ id, afterCursor })) events.push(event);
    return events;
  }
}
