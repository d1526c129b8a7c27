/** The processes of the compression service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { compressOneLinear } from './compress-linear.ts';
import { compressToEmulator } from './compress-model.ts';

await runWorker(
  { compress: compressToEmulator, 'compress-linear': compressOneLinear },
  { around: workerTelemetry('compression') },
);
