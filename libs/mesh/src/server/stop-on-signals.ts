/**
 * SIGTERM and SIGINT: no new calls, those in flight finish (the drain), then the service's own clean-up, then the end; a
 * second signal ends at once.
 */
import type { RunningServer } from './start-server.ts';

export function stopOnSignals(server: RunningServer, cleanUp: () => Promise<void> = async () => {}): void {
  let stopping = false;
  const stop = async (): Promise<void> => {
    await server.stop();
    await cleanUp();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    server.logger.info({ signal }, 'stopping');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        server.logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
