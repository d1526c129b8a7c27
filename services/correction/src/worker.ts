/** The processes of the correction service. */
import { runStageWorker } from '@emloc/service-kit/worker';
import { correctTrained } from './correct-adapter.ts';
import { correctOneLinear } from './correct-linear.ts';
import { mergeAdapter } from './merge.ts';

await runStageWorker('correction', {
  correct: correctTrained,
  'correct-linear': correctOneLinear,
  merge: mergeAdapter,
});
