/** The services that work on stages, as the coordinator calls them. */
import type { OperationAsSeen } from './operation-outcome.ts';
import { connect, type CallOptions, type Connection, type Logger, type MeshConfig } from '@emloc/mesh';

interface OperationResponse {
  readonly operation: OperationAsSeen;
}

export interface OperationMethods {
  getOperation(request: { id: string }, options?: CallOptions): Promise<OperationResponse>;
  watchOperation(
    request: { id: string; afterCursor: number },
    options?: CallOptions,
  ): AsyncIterable<{ readonly event: Readonly<Record<string, unknown>> & { readonly cursor: number } }>;
  cancelOperation(request: { id: string }, options?: CallOptions): Promise<OperationResponse>;
  pauseOperation(request: { id: string }, options?: CallOptions): Promise<OperationResponse>;
  resumeOperation(request: { id: string }, options?: CallOptions): Promise<OperationResponse>;
  deleteOperation(request: { id: string }, options?: CallOptions): Promise<object>;
}

export const stageServices = ['compression', 'training', 'correction', 'inference'] as const;
export type StageService = (typeof stageServices)[number];

export interface StageClient {
  readonly operations: OperationMethods;
  /** Calls an rpc of the service's own contract, by its name in lowerCamelCase. */
  call<T>(rpc: string, request: object, options?: CallOptions): Promise<T>;
}

export class StageClients {
  readonly #clients = new Map<StageService, StageClient>();
  readonly #connections: Connection<object>[] = [];

  constructor(config: Pick<MeshConfig, 'addresses' | 'tls'>, logger: Logger) {
    for (const service of stageServices) {
      const common = { address: config.addresses[service], tls: config.tls, logger };
      const capital = service.charAt(0).toUpperCase() + service.slice(1);
      const own = connect({ ...common, package: `emloc.${service}.v1`, service: `${capital}Service` });
      const operations = connect<OperationMethods>({
        ...common,
        package: 'emloc.operation.v1',
        service: 'OperationService',
      });
      this.#connections.push(own, operations);
      this.#clients.set(service, {
        operations: operations.call,
        call: async <T>(rpc: string, request: object, options?: CallOptions) =>
          (await own.call[rpc]?.(request, options)) as T,
      });
    }
  }

  of(service: StageService): StageClient {
    const client = this.#clients.get(service);
    if (client === undefined) throw new RangeError(`no stage service ${service}`);
    return client;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
