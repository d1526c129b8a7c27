/** Starts the calibration service. */
import { startStageService } from '@emloc/service-kit';
import { calibrationImplementation } from './service.ts';

await startStageService({
  name: 'calibration',
  service: 'CalibrationService',
  worker: new URL('./worker.ts', import.meta.url),
  kinds: () => ({ calibrate: {}, 'stream-grams': {} }),
  implementation: calibrationImplementation,
});
