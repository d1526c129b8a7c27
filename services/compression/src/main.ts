/** Starts the compression service. */
import { startStageService } from '@emloc/service-kit';
import { pullGrams } from './pull-grams.ts';
import { compressionImplementation } from './service.ts';

await startStageService({
  name: 'compression',
  service: 'CompressionService',
  worker: new URL('./worker.ts', import.meta.url),
  kinds: (config, logger) => ({ compress: { input: pullGrams(config, logger) } }),
  implementation: compressionImplementation,
});
