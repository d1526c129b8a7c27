/** The services of a mesh. The coordinator comes last: it is given the addresses of the others. */
export const stageServices = ['calibration', 'compression', 'training', 'correction', 'inference'] as const;
export const serviceNames = [...stageServices, 'coordinator'] as const;

export type ServiceName = (typeof serviceNames)[number];

/** host:port of each. */
export type Addresses = Readonly<Record<ServiceName, string>>;
