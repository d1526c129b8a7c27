/** The processes of the inference service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { evaluateWeights } from './evaluate.ts';
import { scoreRows } from './score.ts';

await runWorker({ evaluate: evaluateWeights, score: scoreRows }, { around: workerTelemetry('inference') });
