/** Where an architecture's own type of configuration is forgotten. */
import type { Architecture, ModelConfig } from '../types.ts';

/** For the registry. Sound since a configuration only ever goes to the architecture that parsed it. */
export const defineArchitecture = <C extends ModelConfig>(architecture: Architecture<C>): Architecture =>
  architecture as unknown as Architecture;
