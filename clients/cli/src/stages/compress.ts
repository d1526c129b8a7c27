/** Compression as a command: checks, the operation, the emulator, rank and truncation loss of every linear. */
import { existsSync } from 'node:fs';
import { assertGramsOf, decoderLinears, openGramFile } from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import { checkModel, checkRatios, type Ratios } from '../checks/inputs.ts';
import { checkOutput, writeOutput } from '../checks/output.ts';
import { underOption } from '../checks/under-option.ts';
import type { CompressOptions } from '../commands/compress.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { formatNumber } from '../output/format.ts';
import { pairs, table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { present } from '../wire/present.ts';
import type { CompressionMethod, CompressionOptions } from '../wire/stages.ts';
import { measuredLines } from './measured-lines.ts';
import { measured, runStage } from './stage.ts';

export async function compress(context: CommandContext, typed: CompressOptions): Promise<void> {
  const { statistics, method } = typed;
  const place = checkOutput(typed.output, { kind: 'directory', overwrite: typed.overwrite });
  const options = await fromHub(context, typed);
  const model = await checkModel('--model', options.model, options.server);
  await checkStatistics(statistics, method, model);
  const ratios = await checkRatios(options, model);
  await runStage(context, {
    service: 'compression',
    kind: 'compress',
    server: options.server,
    start: async (client, operationId, files) =>
      client.startCompression({
        operationId,
        model: files.model(options.model),
        statistics: statistics === undefined ? undefined : { source: await files.input(statistics) },
        options: toCompressionOptions(ratios, method),
      }),
    finish: async (result, { files }) => {
      const { emulator, linears, parameterRatio } = present(result.compression, 'compression');
      await writeOutput(place, (draft) => files.fetch(emulator, draft));
      const rows = linears.map((linear) => ({
        module: linear.module,
        rank: linear.rank,
        ratio: linear.ratio,
        truncation_loss: linear.truncationLoss,
        relative_truncation_loss: linear.relativeTruncationLoss,
        kept_full_rows: linear.keptFullRows ?? undefined,
      }));
      context.output.result(
        {
          output: place.path,
          digest: emulator.digest,
          parameter_ratio: parameterRatio,
          linears: rows,
          ...measured(result),
        },
        () => {
          const columns = [
            { title: 'linear' },
            { title: 'rank', align: 'right' },
            { title: 'truncation loss', align: 'right' },
            { title: 'relative', align: 'right' },
          ] as const;
          const lines = rows.map((row) => [
            row.module,
            rankText(row),
            formatNumber(row.truncation_loss),
            formatNumber(row.relative_truncation_loss),
          ]);
          const summary = pairs([
            ['share of parameters', formatNumber(parameterRatio)],
            ...measuredLines(result),
            ['output', options.output],
          ]);
          return `${table(columns, lines)}\n\n${summary}`;
        },
      );
    },
  });
}

/** Rank, or why there is none. */
const rankText = ({ rank, kept_full_rows: rows }: { rank: number; kept_full_rows?: number }) =>
  rows === undefined ? (rank === 0 ? 'full' : rank) : `full: ${rows} calibration rows came to it`;

export function toCompressionOptions(ratios: Ratios, method: CompressOptions['method']): CompressionOptions {
  const wire: CompressionMethod =
    method === 'svd' ? 'COMPRESSION_METHOD_SVD' : 'COMPRESSION_METHOD_ACTIVATION_SVD';
  return 'ratio' in ratios
    ? { ratio: ratios.ratio, method: wire }
    : { ratios: ratios.ratios.map(([pattern, ratio]) => ({ pattern, ratio })), method: wire };
}

/** The Gram matrices' header: there, and of this model's shapes where the model is at hand. */
async function checkStatistics(
  statistics: string | undefined,
  method: CompressOptions['method'],
  model: ModelDirectory | undefined,
): Promise<void> {
  if (statistics === undefined) {
    if (method === 'svd') return;
    throw new UsageError('MISSING_OPTION', 'no Gram matrices are given', {
      field: '--statistics',
      mend: 'make them with emloc calibrate, or choose --method svd',
    });
  }
  if (existsSync(statistics)) {
    return underOption({ option: '--statistics', value: statistics }, () => {
      const grams = openGramFile(statistics);
      if (model !== undefined) assertGramsOf(grams, decoderLinears(model));
    });
  }
  throw new EmlocError('NOT_FOUND', 'FILE_NOT_FOUND', `no such file: ${statistics}`, {
    field: '--statistics',
    value: statistics,
    mend: 'make it with emloc calibrate',
  });
}
