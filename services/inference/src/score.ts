/** Log-probabilities of given tokens: messages of emloc.inference.v1, one a row. */
import { adapterLinears, scoreTokens } from '@emloc/emloc';
import { startEngine } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '@emloc/mesh/contracts';
import { loadTokenizer, type ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import type { ScoreRequest } from './requests.ts';
import { checkWeights, withWeights } from './weights.ts';

export async function scoreRows(request: ScoreRequest, context: WorkerContext): Promise<object> {
  const checked = checkWeights(request);
  const rows = idsOf(request, checked.model);
  const codec = messageCodec('emloc.inference.v1.ScoreResponse');
  await startEngine();
  await withWeights(checked, request, async (source, adapter) => {
    const scores = scoreTokens(source, adapterLinears(source, adapter), rows, {
      afterLayer: () => context.yield(),
    });
    let row = 0;
    for await (const logProbs of scores) {
      const ids = rows[row] ?? [];
      await context.output.write(codec.encode({ row, ids, logProbabilities: Array.from(logProbs) }));
      row += 1;
    }
  });
  return {};
}

function idsOf({ rows, texts }: ScoreRequest, model: ModelDirectory): readonly (readonly number[])[] {
  const { vocabSize, maxPositionEmbeddings } = model.config;
  const tokenizer = texts.length === 0 ? undefined : loadTokenizer(model.dir);
  if (texts.length > 0 && tokenizer === undefined) {
    throw new EmlocError('FAILED_PRECONDITION', 'NO_TOKENIZER', 'the model has no tokenizer', {
      field: 'texts',
      mend: 'send rows of token ids',
    });
  }
  const all = texts.length === 0 ? rows : texts.map((text) => tokenizer!.encode(text));
  const field = texts.length === 0 ? 'rows' : 'texts';
  all.forEach((ids, i) => {
    const bad = ids.find((id) => !(id >= 0 && id < vocabSize));
    if (bad !== undefined) {
      throw refuse(
        'TOKEN_OUT_OF_RANGE',
        `${field}[${i}]`,
        bad,
        `ids are 0 to ${vocabSize - 1} for this model`,
      );
    }
    if (ids.length === 0 || ids.length > maxPositionEmbeddings) {
      throw refuse('ROW_LENGTH', `${field}[${i}]`, ids.length, `send 1 to ${maxPositionEmbeddings} tokens`);
    }
  });
  return all;
}

const refuse = (reason: string, field: string, value: number, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', reason, `${field}: ${value} is out of range`, {
    field,
    value: String(value),
    mend,
  });
