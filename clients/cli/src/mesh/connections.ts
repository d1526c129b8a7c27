/** Connections to the services of a mesh, made when first used and closed together. */
import { connect, loadConfig, serviceContracts, type Connection } from '@emloc/mesh';
import type { ArtifactClient } from '../wire/artifact.ts';
import type { FineTuneJobClient, MeshClient } from '../wire/job.ts';
import type { OperationClient } from '../wire/operation.ts';
import type { StageClient } from '../wire/stages.ts';
import { stageServices, type Addresses, type StageName } from './services.ts';

export type { StageName };

const readyWithinMs = 30_000;

export class Connections {
  readonly #addresses: Addresses;
  readonly #signal: AbortSignal;
  readonly #open = new Map<string, Promise<Connection<object>>>();
  readonly #tls = loadConfig().tls;

  constructor(addresses: Addresses, signal: AbortSignal) {
    this.#addresses = addresses;
    this.#signal = signal;
  }

  stage(name: StageName): Promise<StageClient> {
    return this.#client(this.#addresses[name], `emloc.${name}.v1`, serviceContracts[name]);
  }

  operations(name: StageName): Promise<OperationClient> {
    return this.#client(this.#addresses[name], 'emloc.operation.v1', 'OperationService');
  }

  jobs(): Promise<FineTuneJobClient> {
    return this.#client(this.#addresses.coordinator, 'emloc.coordinator.v1', 'FineTuneJobService');
  }

  mesh(): Promise<MeshClient> {
    return this.#client(this.#addresses.coordinator, 'emloc.coordinator.v1', 'MeshService');
  }

  artifacts(): Promise<ArtifactClient> {
    return this.#client(this.#addresses.coordinator, 'emloc.artifact.v1', 'ArtifactService');
  }

  /** Until every service is there and says that it serves. */
  async allReady(): Promise<void> {
    await Promise.all([...stageServices.map((name) => this.stage(name)), this.jobs()]);
  }

  close(): void {
    for (const opening of this.#open.values()) {
      opening.then(
        (connection) => connection.close(),
        () => undefined,
      );
    }
    this.#open.clear();
  }

  async #client<T extends object>(address: string, packageName: string, service: string): Promise<T> {
    const key = `${address} ${packageName}.${service}`;
    let opening = this.#open.get(key);
    if (opening === undefined) {
      opening = this.#connect(address, packageName, service);
      this.#open.set(key, opening);
    }
    return (await opening).call as T;
  }

  async #connect(address: string, packageName: string, service: string): Promise<Connection<object>> {
    const connection = connect<object>({ address, package: packageName, service, tls: this.#tls });
    try {
      await connection.ready(readyWithinMs, this.#signal);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
