/** Rows that cannot be learnt: planning reads them all, and computes nothing. */

import { gzipSync } from 'node:zlib';
import { call, inference, started, training, type Call, type Case } from '../case.ts';
import { chatTemplate, model, tokenizerFiles, type DatasetSpec, type Files, type Source } from '../files.ts';

const good = '{"input_ids":[1,2,3]}\n';
const large = 65 * 1024 * 1024;

type Row = readonly [
  reason: string,
  dataset: DatasetSpec,
  field?: string | ((file: string) => string),
  value?: string,
];
const line =
  (number: number) =>
  (file: string): string =>
    `${file}:${number}`;
const whole = (file: string): string => file;

export function dataCases(files: Files): Case[] {
  const rows = (text: string | Uint8Array, name?: string, spec?: object): DatasetSpec =>
    files.rows(text, name, spec);
  const folder = files.folder();
  const text = files.model({}, tokenizerFiles(chatTemplate));
  const half = Buffer.from(gzipSync(good.repeat(50))).subarray(0, 30);
  const spaces = Buffer.alloc(large, ' ');
  const table: readonly Row[] = [
    ['UNKNOWN_FORMAT', rows('a,b\n1,2\n', 'x'), 'dataset.format'],
    ['WRONG_FORMAT', rows(good, undefined, { format: 'DATA_FORMAT_PARQUET' }), 'dataset.format'],
    ['UNSUPPORTED_FORMAT', rows('PK\x03\x04…', 'rows.xlsx'), 'dataset.format'],
    ['NOT_A_FILE', { source: { path: folder } }, whole, folder],
    ['NOT_PARQUET', rows('no parquet', 'rows.parquet'), whole],
    ['BAD_PARQUET', rows('PAR1 and no more', 'rows.parquet'), whole],
    ['DAMAGED_GZIP', rows(half, 'rows.jsonl.gz'), whole],
    ['NOT_UTF8', rows(Buffer.from('{"text":"\xe9"}\n', 'latin1')), line(1)],
    ['EMPTY_LINE', rows(`${good}\n`), line(2)],
    ['MALFORMED_LINE', rows(`${good}{\n`), line(2), '{'],
    ['LINE_TOO_LONG', rows(gzipSync(spaces, { level: 1 }), 'rows.jsonl.gz'), line(1)],
    [
      'OBJECT_TOO_LONG',
      rows(gzipSync(Buffer.concat([Buffer.from('{\n'), spaces]), { level: 1 }), 'rows.json.gz'),
      whole,
    ],
    ['DUPLICATE_COLUMN', rows('text,text\na,b\n', 'rows.csv'), whole],
    ['UNKNOWN_COLUMN', rows('{"words":"a"}\n', undefined, { columns: { text: 'word' } }), line(1), 'word'],
    ['UNKNOWN_SHAPE', rows('{"words":1}\n'), line(1), '{"words":1}'],
    ['BAD_MESSAGES', rows('{"messages":[1]}\n'), line(1), '1'],
    ['BAD_TOOLS', rows('{"messages":[{"role":"user","content":"a"}],"tools":1}\n'), line(1), '1'],
    ['BAD_TEXT', rows('{"text":1}\n'), line(1), '1'],
    ['BAD_TOKENS', rows('{"input_ids":[1,1.5]}\n'), line(1), '1.5'],
    ['LABELS_LENGTH', rows('{"input_ids":[1,2],"labels":[1]}\n'), line(1), '1'],
    ['LABEL_OUT_OF_RANGE', rows('{"input_ids":[1,2],"labels":[1,999]}\n'), line(1), '999'],
    ['NO_TOKENS', rows('{"input_ids":[]}\n'), line(1)],
    ['TOKEN_OUT_OF_RANGE', rows('{"input_ids":[1,999]}\n'), line(1), '999'],
    ['NO_TOKENIZER', rows('{"text":"hello"}\n'), line(1)],
    ['ROW_TOO_LONG', rows(`{"input_ids":${JSON.stringify(new Array(300).fill(1))}}\n`), line(1), '300'],
    [
      'CUT_AWAY_LABELS',
      rows('{"input_ids":[1,2,3],"labels":[-100,-100,3]}\n', undefined, { maxSeqLength: 2 }),
      line(1),
      '3',
    ],
    ['NO_LABELLED_TOKENS', rows('{"input_ids":[1,2],"labels":[-100,-100]}\n'), line(1)],
    ['EMPTY_DATASET', rows(''), whole],
    [
      'NO_HELD_OUT_ROWS',
      rows(good, undefined, { split: { part: 'SPLIT_PART_HELD_OUT', rows: 1 } }),
      'dataset',
      '1',
    ],
  ];
  return [
    ...table.map(([reason, dataset, field = null, value]): Case => ({
      reason,
      ...(['TOKEN_OUT_OF_RANGE', 'NO_TOKENIZER'].includes(reason) ? { about: 'of a row' } : {}),
      code: ['NO_TOKENIZER', 'NO_HELD_OUT_ROWS'].includes(reason)
        ? 'FAILED_PRECONDITION'
        : 'INVALID_ARGUMENT',
      field: typeof field === 'function' ? field(dataset.source.path) : field,
      ...(value === undefined ? {} : { value }),
      call: plan(model, dataset),
    })),
    ...answerCases(files, text),
    ...choiceCases(files, text),
  ];
}

const plan = (from: Source, dataset: object): Call =>
  call(`${training}/PlanTraining`, { model: from, dataset });

function answerCases(files: Files, text: Source): Case[] {
  const empty = files.rows('{"prompt":"a","completion":" "}\n');
  const unanswered = files.rows('{"messages":[{"role":"user","content":"a"}]}\n');
  return [
    {
      reason: 'EMPTY_COMPLETION',
      code: 'INVALID_ARGUMENT',
      field: `${empty.source.path}:1`,
      call: plan(text, empty),
    },
    {
      reason: 'NO_ANSWER',
      code: 'INVALID_ARGUMENT',
      field: `${unanswered.source.path}:1`,
      value: 'user',
      call: plan(text, unanswered),
    },
  ];
}

/** Answers to choose from are read by an evaluation, which is an operation. */
function choiceCases(files: Files, text: Source): Case[] {
  const pairs = files.rows('{"prompt":"a","completion":"b"}\n');
  const tokens = files.rows('{"input_ids":[1,2,3],"labels":[-100,-100,3]}\n');
  const texts = files.rows('{"text":"ab"}\n');
  const words = { choices: ['c', 'd'] };
  const ids = { choiceIds: [{ ids: [4] }, { ids: [3] }] };
  const tooLong = { choiceIds: [{ ids: [3] }, { ids: new Array<number>(300).fill(1) }] };
  const evaluates = (
    name: string,
    from: Source,
    dataset: DatasetSpec,
    more: object,
  ): Pick<Case, 'call' | 'wait'> =>
    started(`${inference}/StartEvaluation`, {
      operationId: files.id(`evaluation-${name}`),
      ...{ model: from, dataset, ...more },
    });
  const first = (dataset: DatasetSpec): string => `${dataset.source.path}:1`;
  const invalid = { code: 'INVALID_ARGUMENT' } as const;
  return [
    {
      reason: 'ANSWER_NOT_A_CHOICE',
      ...invalid,
      field: first(pairs),
      ...evaluates('answer', text, pairs, words),
    },
    {
      reason: 'CHOICE_IS_TEXT',
      ...invalid,
      field: first(tokens),
      value: 'c',
      ...evaluates('text', model, tokens, words),
    },
    { reason: 'CHOICE_IS_TOKENS', ...invalid, field: first(pairs), ...evaluates('tokens', text, pairs, ids) },
    { reason: 'NO_PROMPT', ...invalid, field: first(texts), ...evaluates('prompt', text, texts, words) },
    {
      reason: 'ROW_TOO_LONG',
      about: 'with a choice',
      ...invalid,
      field: first(tokens),
      ...evaluates('long', model, tokens, tooLong),
    },
  ];
}
