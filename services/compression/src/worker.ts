/** The processes of the compression service. */
import { runStageWorker } from '@emloc/service-kit/worker';
import { compressOneLinear } from './compress-linear.ts';
import { compressToEmulator } from './compress-model.ts';

await runStageWorker('compression', { compress: compressToEmulator, 'compress-linear': compressOneLinear });
