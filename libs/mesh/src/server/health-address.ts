/** Health at an address of its own, without TLS: an orchestrator's probes have no certificates, and learn nothing else there. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import { bind } from './address.ts';

export interface HealthServer {
  readonly address: string;
  stop(): void;
}

export async function serveHealth(health: HealthImplementation, at: string): Promise<HealthServer> {
  const server = new Server();
  health.addToServer(server);
  const { address } = await bind(server, at, ServerCredentials.createInsecure());
  return { address, stop: () => server.forceShutdown() };
}
