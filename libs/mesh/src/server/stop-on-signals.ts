/** SIGTERM and SIGINT: the service's own clean-up, then the drain, then the end; a second signal ends at once. */
import type { RunningServer } from './start-server.ts';

export function stopOnSignals(server: RunningServer, cleanUp: () => Promise<void> = async () => {}): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    server.logger.info({ signal }, 'stopping');
    void Promise.allSettled([cleanUp(), server.stop()]).then((results) => {
      const failed = results.find((result) => result.status === 'rejected');
      if (failed?.status === 'rejected') server.logger.error({ err: failed.reason }, 'stopping failed');
      process.exit(failed === undefined ? 0 : 1);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
