/**
 * Data files, looked at before TensorFlow or a mesh is started: every row parsed, and with a model at hand turned into
 * tokens and held against its limits. Of a large file only the beginning becomes tokens here; the service that reads it
 * looks at the rest before it does any work.
 */
import { stat } from 'node:fs/promises';
import {
  LabelCheck,
  openDataset,
  scanDataset,
  tokensOf,
  type Dataset,
  type LabelNeed,
  type Row,
} from '@emloc/datasets';
import { loadTokenizer, type ModelDirectory, type Tokenizer } from '@emloc/models';
import { columnsOf, readChatTemplate, toDatasetSpec, type TypedData } from '../options/data.ts';
import type { Files } from '../session/session.ts';
import type { DatasetSpec } from '../wire/artifact.ts';
import { underOption } from './under-option.ts';

/** Some 20 seconds of tokenizing on one core. */
const wholeUpToBytes = 32 * 1024 * 1024;
const beginningRows = 10_000;

/** A file that was looked at, to be named in a request once there is a mesh to take it. */
export interface CheckedData {
  /** Unknown where only a tokenizer that is not at hand can tell. */
  readonly rows: number | undefined;
  spec(files: Files): Promise<DatasetSpec>;
}

/** Looks at a row with a model at hand, and throws what is wrong with it. */
export type LookAtRow = (
  row: Row,
  tokenizer: Tokenizer | undefined,
  limits: { readonly vocabSize: number; readonly contextLength: number },
) => void;

/** `labels`: whether every row, or some, must have something to learn. */
export async function checkData(
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
    const count =
      model === undefined
        ? await parseAll(dataset, labels)
        : await tokenizeAll(dataset, model, typed, chatTemplate, labels, look);
    return { format: dataset.format, rows: count };
  });
  return {
    rows,
    spec: async (files) => toDatasetSpec(typed, format, chatTemplate, await files.input(file)),
  };
}

/** The same where the option may be left out. */
export const checkOptionalData = async (
  option: string,
  file: string | undefined,
  model: ModelDirectory | undefined,
  typed: TypedData,
  labels?: LabelNeed,
): Promise<CheckedData | undefined> =>
  file === undefined ? undefined : checkData(option, file, model, typed, labels);

/** Of rows that are tokens already, the labels, too; texts need the tokenizer of a model that only the mesh sees. */
async function parseAll(dataset: Dataset, labels: LabelNeed | undefined): Promise<number | undefined> {
  if (dataset.format === 'text') return undefined;
  const check = new LabelCheck(labels);
  let rows = 0;
  let texts = 0;
  for await (const { row } of dataset.rows()) {
    rows++;
    if (row.kind === 'tokens') check.see(tokensOf(row, undefined, {}));
    else texts++;
  }
  if (texts === 0) check.end(dataset.file);
  return rows;
}

async function tokenizeAll(
  dataset: Dataset,
  model: ModelDirectory,
  { maxSeqLength, lossOn }: TypedData,
  chatTemplate: string | undefined,
  labels: LabelNeed | undefined,
  look: LookAtRow | undefined,
): Promise<number | undefined> {
  let tokenizer: Tokenizer | undefined;
  const isLarge = (await stat(dataset.file)).size > wholeUpToBytes;
  const options = {
    maxLength: maxSeqLength,
    truncate: maxSeqLength !== undefined,
    lossOn,
    labels,
    vocabSize: model.config.vocabSize,
    contextLength: model.config.maxPositionEmbeddings,
    tokenizer: () => (tokenizer ??= loadTokenizer(model.dir, { chatTemplate })),
  };
  const maxRows = isLarge ? beginningRows : Infinity;
  const { vocabSize, contextLength } = options;
  const see = (_: unknown, parsed?: { readonly row: Row }): void => {
    if (parsed !== undefined) look?.(parsed.row, tokenizer, { vocabSize, contextLength });
  };
  const rows = await scanDataset(dataset, options, see, { maxRows });
  return isLarge ? parseAll(dataset, labels) : rows;
}
