export type ServiceName =
  'coordinator' | 'calibration' | 'compression' | 'training' | 'correction' | 'inference';

/** The port that each listens on unless told. */
export const defaultPorts: Readonly<Record<ServiceName, number>>;

/** The coordinator, then the services of the stages in their order. */
export const serviceNames: readonly ServiceName[];
