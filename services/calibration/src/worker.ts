/** The processes of the calibration service. */
import { runStageWorker } from '@emloc/service-kit/worker';
import { calibrateToFile } from './calibrate-to-file.ts';
import { streamGrams } from './stream-grams.ts';

await runStageWorker('calibration', { calibrate: calibrateToFile, 'stream-grams': streamGrams });
