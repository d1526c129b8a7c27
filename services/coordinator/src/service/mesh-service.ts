/** emloc.coordinator.v1.MeshService: what a client that knows only this address needs to know. */
import type { ServiceEntry } from '@emloc/mesh';

export interface MeshDescription {
  readonly version: string;
  readonly addresses: Readonly<Record<string, string>>;
  readonly modelRoots: readonly string[];
  readonly storeUri: string;
}

export const meshService = (description: MeshDescription): ServiceEntry => ({
  package: 'emloc.coordinator.v1',
  service: 'MeshService',
  implementation: { describeMesh: () => description },
});
