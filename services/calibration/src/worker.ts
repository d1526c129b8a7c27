/** The processes of the calibration service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { calibrateToFile } from './calibrate-to-file.ts';
import { streamGrams } from './stream-grams.ts';

await runWorker(
  { calibrate: calibrateToFile, 'stream-grams': streamGrams },
  { around: workerTelemetry('calibration') },
);
