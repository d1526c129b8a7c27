/** Streams of tensors that are not as the contract has them. */
import { crc32 } from 'node:zlib';
import { call, compression, correction, type Call, type Case } from '../case.ts';

interface Header {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

const bytesOf = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const header = (changes: Partial<Header> = {}): object => ({
  header: { name: 'weight', dtype: 'D_TYPE_F32', shape: [4, 3], byteLength: 48, ...changes },
});
const chunk = (bytes: Buffer): object => ({ chunk: { data: bytes.toString('base64') } });
const end = (crc: number): object => ({ end: { crc32: crc } });

/** A tensor's frames. */
const tensor = (name: string, shape: readonly number[], values: readonly number[]): object[] => {
  const bytes = bytesOf(values);
  return [header({ name, shape, byteLength: bytes.length }), chunk(bytes), end(crc32(bytes))];
};

const ones = (count: number): number[] => new Array<number>(count).fill(1);
const weight = tensor('weight', [4, 3], ones(12));
const data = bytesOf(ones(12));
const options = { options: { rank: 1 } };
const last = { end: {} };
const frames = (all: readonly object[]): object[] => all.map((frame) => ({ frame }));

const compresses = (...all: readonly object[]): Call =>
  call(`${compression}/Compress`, options, ...frames(all), last);
const compressesWith = (given: object, ...all: readonly object[]): Call =>
  call(`${compression}/Compress`, { options: given }, ...frames(all), last);

type Row = readonly [reason: string, code: Case['code'], field: string | null, call: Call, value?: string];

const table: readonly Row[] = [
  ['BAD_TENSOR_NAME', 'INVALID_ARGUMENT', 'header.name', compresses(header({ name: '' }))],
  ['BAD_DTYPE', 'INVALID_ARGUMENT', 'header.dtype', compresses(header({ dtype: 'D_TYPE_UNSPECIFIED' }))],
  [
    'BAD_SHAPE',
    'INVALID_ARGUMENT',
    'header.shape',
    compresses(header({ shape: ones(9), byteLength: 4 })),
    '[1, 1, 1, 1, 1, 1, 1, 1, 1]',
  ],
  [
    'WRONG_BYTE_LENGTH',
    'INVALID_ARGUMENT',
    'header.byte_length',
    compresses(header({ byteLength: 47 })),
    '47',
  ],
  [
    'TENSOR_TOO_LARGE',
    'RESOURCE_EXHAUSTED',
    'header.byte_length',
    compresses(header({ shape: [2 ** 31], byteLength: 2 ** 33 })),
    String(2 ** 33),
  ],
  ['CHUNK_SIZE', 'INVALID_ARGUMENT', 'weight', compresses(header(), chunk(Buffer.alloc(0))), '0'],
  ['EMPTY_FRAME', 'INVALID_ARGUMENT', 'frame', compresses({})],
  ['FRAME_ORDER', 'INVALID_ARGUMENT', 'frame', compresses(chunk(data))],
  ['TOO_MANY_BYTES', 'DATA_LOSS', 'weight', compresses(header(), chunk(data), chunk(data)), '96'],
  ['TENSOR_CUT_SHORT', 'DATA_LOSS', 'weight', compresses(header(), end(0)), '0'],
  ['CHECKSUM_MISMATCH', 'DATA_LOSS', 'weight', compresses(header(), chunk(data), end(1)), '00000001'],
  [
    'TENSOR_UNEXPECTED',
    'INVALID_ARGUMENT',
    'frame.header.name',
    compresses(header({ name: 'bias' })),
    'bias',
  ],
  ['TENSOR_MISSING', 'INVALID_ARGUMENT', 'gram', compresses(...weight)],
  [
    'SHAPE_MISMATCH',
    'INVALID_ARGUMENT',
    'weight',
    compresses(...tensor('weight', [2, 2, 3], ones(12))),
    '[2, 2, 3]',
  ],
  ['STREAM_ORDER', 'INVALID_ARGUMENT', 'options', call(`${compression}/Compress`, { frame: header() })],
  [
    'BAD_RANK',
    'INVALID_ARGUMENT',
    'rank',
    compressesWith({ rank: 0, method: 'COMPRESSION_METHOD_SVD' }, ...weight),
    '0',
  ],
  [
    'RATIO_OUT_OF_RANGE',
    'INVALID_ARGUMENT',
    'options.ratio',
    compressesWith({ ratio: 1.5, method: 'COMPRESSION_METHOD_SVD' }, ...weight),
    '1.5',
  ],
  [
    'NOT_FINITE',
    'INVALID_ARGUMENT',
    'weight',
    compressesWith(
      { rank: 1, method: 'COMPRESSION_METHOD_SVD' },
      ...tensor('weight', [2, 2], [1, NaN, 1, 1]),
    ),
  ],
  [
    'BAD_GRAM',
    'FAILED_PRECONDITION',
    'gram',
    compresses(
      ...weight,
      ...tensor(
        'gram',
        [3, 3],
        ones(9).map(() => 0),
      ),
    ),
  ],
  [
    'BAD_FIELD',
    'INVALID_ARGUMENT',
    'options.scale',
    call(`${correction}/Correct`, { options: { scale: 0 } }, last),
    '0',
  ],
];

export const tensorCases = (): Case[] =>
  table.map(([reason, code, field, made, value]) => ({
    reason,
    ...(reason === 'BAD_FIELD' ? { about: 'of a stream' } : {}),
    code,
    field,
    ...(value === undefined ? {} : { value }),
    call: made,
  }));
