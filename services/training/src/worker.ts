/** The processes of the training service. */
import { runStageWorker } from '@emloc/service-kit/worker';
import { planTraining } from './plan-training.ts';
import { trainAdapter } from './train.ts';

await runStageWorker('training', { train: trainAdapter, plan: planTraining });
