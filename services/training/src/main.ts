/** Starts the training service. */
import { startStageService } from '@emloc/service-kit';
import { trainingImplementation } from './service.ts';

await startStageService({
  name: 'training',
  service: 'TrainingService',
  worker: new URL('./worker.ts', import.meta.url),
  kinds: () => ({ train: {} }),
  implementation: trainingImplementation,
});
