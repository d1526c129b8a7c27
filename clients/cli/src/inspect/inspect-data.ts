/** What a data file is to a model: one pass over it, of which only counts and one row are kept. */
import {
  ignoredLabel,
  openDataset,
  placeOf,
  scanDataset,
  type Dataset,
  type ParsedRow,
  type TokenizedRow,
} from '@emloc/datasets';
import { loadTokenizer, type ModelDirectory, type Tokenizer } from '@emloc/models';
import { checkModel } from '../checks/inputs.ts';
import { underOption } from '../checks/under-option.ts';
import type { InspectOptions } from '../commands/data.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { columnsOf, readChatTemplate } from '../options/data.ts';
import { UsageError } from '../usage-error.ts';
import { showRows } from './show-rows.ts';
import { inspectionLines, inspectionObject } from './show-inspection.ts';

export interface Inspection {
  readonly file: string;
  readonly format: string;
  /** Rows of each shape. */
  readonly shapes: Map<string, number>;
  readonly columns: Set<string>;
  rows: number;
  tokens: number;
  learntTokens: number;
  longest: { tokens: number; place: string } | undefined;
  /** Rows of more than half of and at most so many tokens, by powers of two. */
  readonly histogram: Map<number, number>;
  readonly limits: {
    readonly model: number | undefined;
    readonly maxSeqLength: number | undefined;
    rowsOverModel: number;
    rowsOverMaxSeqLength: number;
  };
  /** Rows that could not be used as they are, by reason. */
  readonly problems: Map<string, { readonly first: string; readonly mend: string | undefined; rows: number }>;
  row: ShownRow | undefined;
}

type OnRow = (rows: number) => void;

export interface ShownRow {
  readonly place: string;
  /** Runs of tokens that are learnt or not, as text; as ids where there is no tokenizer. */
  readonly parts: readonly { readonly text: string; readonly learnt: boolean }[];
  readonly tokens: number;
}

export async function inspectData(
  context: CommandContext,
  file: string,
  typed: InspectOptions,
): Promise<void> {
  const options = await fromHub(context, typed);
  const model =
    options.model === undefined ? undefined : await checkModel('--model', options.model, undefined);
  const chatTemplate = await readChatTemplate(options);
  const inspection = await underOption({ option: '<file>', value: file }, async () => {
    const dataset = await openDataset(file, { format: options.dataFormat, columns: columnsOf(options) });
    const found = emptyInspection(dataset, model, options);
    const onRow = showRows(context, dataset);
    await (model === undefined
      ? parse(dataset, found, onRow)
      : tokenize(dataset, found, model, options, chatTemplate, onRow));
    return found;
  });
  if (model !== undefined && inspection.row === undefined && options.row > 1) {
    throw new UsageError('OUT_OF_RANGE', `there is no row ${options.row} to show`, {
      field: '--row',
      value: String(options.row),
      mend: `choose a number from 1 to ${inspection.rows}`,
    });
  }
  const { output } = context;
  output.result(inspectionObject(inspection), () =>
    inspectionLines(inspection, (text) => output.highlight(text)),
  );
}

function emptyInspection(
  { file, format }: Dataset,
  model: ModelDirectory | undefined,
  { maxSeqLength }: InspectOptions,
): Inspection {
  return {
    file,
    format,
    shapes: new Map(),
    columns: new Set(),
    rows: 0,
    tokens: 0,
    learntTokens: 0,
    longest: undefined,
    histogram: new Map(),
    limits: {
      model: model?.config.maxPositionEmbeddings,
      maxSeqLength,
      rowsOverModel: 0,
      rowsOverMaxSeqLength: 0,
    },
    problems: new Map(),
    row: undefined,
  };
}

async function parse(dataset: Dataset, found: Inspection, onRow: OnRow): Promise<void> {
  if (dataset.format === 'text') {
    throw new UsageError('MISSING_OPTION', 'rows of plain text are made of tokens', {
      field: '--model',
      mend: 'give --model',
    });
  }
  for await (const parsed of dataset.rows()) {
    found.rows++;
    note(found, parsed);
    onRow(found.rows);
  }
}

function note({ shapes, columns }: Inspection, { shape, record }: ParsedRow): void {
  shapes.set(shape, (shapes.get(shape) ?? 0) + 1);
  for (const name of Object.keys(record.value)) columns.add(name);
}

async function tokenize(
  dataset: Dataset,
  found: Inspection,
  model: ModelDirectory,
  { lossOn, maxSeqLength, row }: InspectOptions,
  chatTemplate: string | undefined,
  onRow: OnRow,
): Promise<void> {
  let tokenizer: Tokenizer | undefined;
  const load = (): Tokenizer | undefined => (tokenizer ??= loadTokenizer(model.dir, { chatTemplate }));
  const { vocabSize, maxPositionEmbeddings } = model.config;
  const isText = dataset.format === 'text';
  const limits = isText ? { maxLength: maxSeqLength, contextLength: maxPositionEmbeddings } : {};
  const see = (tokens: TokenizedRow, parsed: ParsedRow | undefined): void => {
    if (parsed !== undefined) note(found, parsed);
    measure(found, tokens);
    if (found.rows === row) found.row = shown(tokens, load());
  };
  await scanDataset(dataset, { lossOn, labels: 'every', vocabSize, ...limits, tokenizer: load }, see, {
    onRow,
    tolerate: (error) => {
      found.rows++;
      const known = found.problems.get(error.reason);
      if (known !== undefined) known.rows++;
      else found.problems.set(error.reason, { first: error.message, mend: error.mend, rows: 1 });
    },
  });
  if (isText) found.shapes.set('packed text', found.rows);
}

function measure(found: Inspection, tokens: TokenizedRow): void {
  const { inputIds, labels } = tokens;
  const { limits } = found;
  const length = inputIds.length;
  found.rows++;
  found.tokens += length;
  found.learntTokens += labels.reduce((n, label) => n + (label === ignoredLabel ? 0 : 1), 0);
  if (length > (found.longest?.tokens ?? 0)) found.longest = { tokens: length, place: placeOf(tokens) };
  const bucket = 2 ** Math.ceil(Math.log2(length));
  found.histogram.set(bucket, (found.histogram.get(bucket) ?? 0) + 1);
  if (length > (limits.model ?? Infinity)) limits.rowsOverModel++;
  if (length > (limits.maxSeqLength ?? Infinity)) limits.rowsOverMaxSeqLength++;
}

function shown(tokens: TokenizedRow, tokenizer: Tokenizer | undefined): ShownRow {
  const { inputIds, labels } = tokens;
  const parts: { text: string; learnt: boolean }[] = [];
  for (let begin = 0, end = 0; begin < inputIds.length; begin = end) {
    const learnt = labels[begin] !== ignoredLabel;
    while (end < inputIds.length && (labels[end] !== ignoredLabel) === learnt) end++;
    const ids = Array.from(inputIds.subarray(begin, end));
    const text = tokenizer?.decode(ids, { skipSpecialTokens: false }) ?? ids.join(' ');
    parts.push({ text, learnt });
  }
  return { place: placeOf(tokens), parts, tokens: inputIds.length };
}
