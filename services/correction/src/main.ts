/** Starts the correction service. */
import { startStageService } from '@emloc/service-kit';
import { correctionImplementation } from './service.ts';

await startStageService({
  name: 'correction',
  service: 'CorrectionService',
  worker: new URL('./worker.ts', import.meta.url),
  kinds: () => ({ correct: {}, merge: {} }),
  implementation: correctionImplementation,
});
