/** The processes of the inference service. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker } from '@emloc/operations';
import { evaluateWeights } from './evaluate.ts';
import { generateText } from './generate.ts';
import { scoreRows } from './score.ts';

const kinds = { evaluate: evaluateWeights, generate: generateText, score: scoreRows };
await runWorker(kinds, { around: workerTelemetry('inference') });
