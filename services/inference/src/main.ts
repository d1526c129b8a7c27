/** Starts the inference service. */
import { startStageService } from '@emloc/service-kit';
import { inferenceImplementation } from './service.ts';

await startStageService({
  name: 'inference',
  service: 'InferenceService',
  worker: new URL('./worker.ts', import.meta.url),
  kinds: () => ({ evaluate: {} }),
  implementation: inferenceImplementation,
});
