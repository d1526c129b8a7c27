import { serviceNames as all, type ServiceName } from '@emloc/mesh/services';

export type { ServiceName };
export type StageName = Exclude<ServiceName, 'coordinator'>;

export const stageServices = all.filter((name): name is StageName => name !== 'coordinator');

/** The services of a mesh. The coordinator comes last: it is given the addresses of the others. */
export const serviceNames: readonly ServiceName[] = [...stageServices, 'coordinator'];

/** host:port of each. */
export type Addresses = Readonly<Record<ServiceName, string>>;
