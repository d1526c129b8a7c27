/** The processes of the inference service. */
import { runStageWorker } from '@emloc/service-kit/worker';
import { evaluateWeights } from './evaluate.ts';
import { generateText } from './generate.ts';
import { scoreRows } from './score.ts';

const kinds = { evaluate: evaluateWeights, generate: generateText, score: scoreRows };
await runStageWorker('inference', kinds);
