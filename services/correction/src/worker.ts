/** The processes of the correction service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { correctTrained } from './correct-adapter.ts';
import { correctOneLinear } from './correct-linear.ts';
import { mergeAdapter } from './merge.ts';

await runWorker(
  { correct: correctTrained, 'correct-linear': correctOneLinear, merge: mergeAdapter },
  { around: workerTelemetry('correction') },
);
