/**
 * Data files, looked at before TensorFlow or a mesh is started: the shape of every row, whether there is something to
 * learn, and with a model at hand whether it takes the row. Of a large file the beginning becomes tokens here, and after
 * it the rows that may be too long; the service that reads it makes all of them tokens before it does any work.
 */
import { stat } from 'node:fs/promises';
import {
  datasetTokens,
  openDataset,
  scanDataset,
  type Dataset,
  type LabelNeed,
  type Row,
  type RowPlace,
} from '@emloc/datasets';
import { loadTokenizer, type ModelDirectory, type Tokenizer } from '@emloc/models';
import type { CommandContext } from '../context.ts';
import { showRows } from '../inspect/show-rows.ts';
import { columnsOf, readChatTemplate, toDatasetSpec, type TypedData } from '../options/data.ts';
import type { Files } from '../session/session.ts';
import type { DatasetSpec } from '../wire/artifact.ts';
import { underOption } from './under-option.ts';

/** Some 30 seconds of tokenizing on one core. */
const wholeUpToBytes = 32 * 1024 * 1024;
const beginningRows = 10_000;

/** A file that was looked at, to be named in a request once there is a mesh to take it. */
export interface CheckedData {
  /** Unknown where only a tokenizer that is not at hand can tell. */
  readonly rows: number | undefined;
  spec(files: Files): Promise<DatasetSpec>;
}

/** Looks at a row with a model at hand, and throws what is wrong with it. Packed text has a place, but no row. */
export type LookAtRow = (
  place: RowPlace,
  row: Row | undefined,
  tokenizer: Tokenizer | undefined,
  limits: { readonly vocabSize: number; readonly contextLength: number },
) => void;

/** `labels`: whether every row, or some, must have something to learn. */
export async function checkData(
  context: Pick<CommandContext, 'output' | 'signal'>,
  option: string,
  file: string,
  model: ModelDirectory | undefined,
  typed: TypedData,
  labels?: LabelNeed,
  look?: LookAtRow,
): Promise<CheckedData> {
  const chatTemplate = await readChatTemplate(typed);
  const { format, rows } = await underOption({ option, value: file }, async () => {
    const dataset = await openDataset(file, { format: typed.dataFormat, columns: columnsOf(typed) });
    const count = await lookThrough(context, dataset, model, { ...typed, chatTemplate }, labels, look);
    return { format: dataset.format, rows: count };
  });
  return {
    rows,
    spec: async (files) => toDatasetSpec(typed, format, chatTemplate, await files.input(file)),
  };
}

/** The same where the option may be left out. */
export const checkOptionalData = async (
  context: Pick<CommandContext, 'output' | 'signal'>,
  option: string,
  file: string | undefined,
  model: ModelDirectory | undefined,
  typed: TypedData,
  labels?: LabelNeed,
): Promise<CheckedData | undefined> =>
  file === undefined ? undefined : checkData(context, option, file, model, typed, labels);

/** Rows of the file; unknown where they are made of tokens, and there is no tokenizer. */
async function lookThrough(
  context: Pick<CommandContext, 'output' | 'signal'>,
  dataset: Dataset,
  model: ModelDirectory | undefined,
  { lossOn, maxSeqLength, chatTemplate }: TypedData,
  labels: LabelNeed | undefined,
  look: LookAtRow | undefined,
): Promise<number | undefined> {
  const isText = dataset.format === 'text';
  if (isText && model === undefined) return undefined;
  let tokenizer: Tokenizer | undefined;
  // Texts need the tokenizer of a model that only the mesh sees; nothing bounds them here.
  const options =
    model === undefined
      ? { lossOn, labels, tokenizer: () => undefined }
      : datasetTokens(
          { maxSeqLength, lossOn, labels },
          model.config,
          () => (tokenizer = loadTokenizer(model.dir, { chatTemplate })),
        );
  const see = (tokens: RowPlace, parsed?: { readonly row: Row }): void => {
    if (model !== undefined) look?.(tokens, parsed?.row, tokenizer, limitsOf(model));
  };
  const isLarge = (await stat(dataset.file)).size > wholeUpToBytes;
  const tokenizeFirst = model === undefined ? 0 : isLarge ? beginningRows : Infinity;
  const rows = await scanDataset(dataset, options, see, {
    tokenizeFirst,
    // What packed text has wrong, its beginning shows: its rows are all of one length, and all of it is learnt.
    maxRows: isLarge && isText ? beginningRows : Infinity,
    onRow: showRows(context, dataset),
  });
  context.output.endProgress();
  return isLarge && isText ? undefined : rows;
}

const limitsOf = ({ config }: ModelDirectory): Parameters<LookAtRow>[3] => ({
  vocabSize: config.vocabSize,
  contextLength: config.maxPositionEmbeddings,
});
