/** The processes of the training service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { planTraining } from './plan-training.ts';
import { trainAdapter } from './train.ts';

await runWorker({ train: trainAdapter, plan: planTraining }, { around: workerTelemetry('training') });
