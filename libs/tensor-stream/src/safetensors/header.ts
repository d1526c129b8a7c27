/**
 * The header of a safetensors file: eight bytes of length, JSON, then the data. Every number in it is checked against
 * the file before anyone maps or reads a byte, so that a truncated or lying file is an error here and nowhere else.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { byteLength, elementCount, type DType } from '../dtype.ts';
import { tensorLimits } from '../limits.ts';
import { dtypeOfSafetensors, safetensorsName } from './dtypes.ts';
import { firstDuplicateKey } from './duplicate-keys.ts';

export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte of the data, from the start of the file. */
  readonly begin: number;
  /** One past its last byte. */
  readonly end: number;
}

export interface SafetensorsFile {
  readonly path: string;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fileBytes: number;
}

export function readSafetensorsHeader(path: string): SafetensorsFile {
  const { text, dataBegin, fileBytes } = readHeaderText(path);
  const { __metadata__: metadata, ...entries } = parseHeader(path, text);
  const tensors = Object.entries(entries).map(([name, entry]) => readEntry(path, name, entry, dataBegin));
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(path, tensors, dataBegin, fileBytes);
  return {
    path,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: readMetadata(path, metadata),
    fileBytes,
  };
}

function readHeaderText(path: string): { text: string; dataBegin: number; fileBytes: number } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw EmlocError.from(error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw bad(path, 'is not a file');
    if (stat.size < 8) throw bad(path, `has ${stat.size} bytes, too few for a header`, String(stat.size));
    const prefix = Buffer.alloc(8);
    readSync(fd, prefix, 0, 8, 0);
    const length = prefix.readBigUInt64LE();
    if (length > BigInt(tensorLimits.headerBytes)) {
      throw bad(
        path,
        `claims a header of ${length} bytes; at most ${tensorLimits.headerBytes} are read`,
        `${length}`,
      );
    }
    const headerBytes = Number(length);
    if (8 + headerBytes > stat.size) {
      throw bad(
        path,
        `claims a header of ${headerBytes} bytes but ends after ${stat.size}`,
        `${headerBytes}`,
      );
    }
    const header = Buffer.alloc(headerBytes);
    let read = 0;
    while (read < headerBytes) {
      const n = readSync(fd, header, read, headerBytes - read, 8 + read);
      if (n === 0) throw bad(path, 'ended while its header was read');
      read += n;
    }
    return { text: decodeUtf8(path, header), dataBegin: 8 + headerBytes, fileBytes: stat.size };
  } finally {
    closeSync(fd);
  }
}

function decodeUtf8(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw bad(path, 'has a header that is not UTF-8', undefined, cause);
  }
}

function parseHeader(path: string, text: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw bad(path, `has a header that is not JSON: ${(cause as Error).message}`, undefined, cause);
  }
  if (!isObject(header)) throw bad(path, 'has a header that is not a JSON object');
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) throw badTensor(path, duplicate, 'stands twice in the header');
  return header;
}

function readEntry(path: string, name: string, entry: unknown, dataBegin: number): StoredTensor {
  if (!isObject(entry)) throw badTensor(path, name, 'is not described by a JSON object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = entry;
  if (typeof dtypeName !== 'string') throw badTensor(path, name, 'has no dtype', show(dtypeName));
  const dtype = dtypeOfSafetensors(dtypeName);
  if (dtype === undefined) {
    throw new EmlocError('UNIMPLEMENTED', 'UNSUPPORTED_DTYPE', `${name} in ${path} has dtype ${dtypeName}`, {
      field: name,
      value: dtypeName,
      mend: /^F[468](_|$)/.test(dtypeName)
        ? 'the weights are quantized: convert to bf16 first'
        : `convert it to one of ${Object.values(safetensorsName).join(', ')}`,
    });
  }
  if (!isCountArray(shape))
    throw badTensor(path, name, 'has a shape that is not a list of counts', show(shape));
  if (!isCountArray(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw badTensor(path, name, 'has data_offsets that are not [begin, end]', show(offsets));
  }
  const [begin, end] = offsets as [number, number];
  const expected = byteLength({ dtype, shape });
  if (!Number.isSafeInteger(elementCount(shape)) || expected !== end - begin) {
    throw badTensor(
      path,
      name,
      `is ${dtypeName} of shape [${shape.join(', ')}], ${expected} bytes, but its offsets hold ${end - begin}`,
      show(offsets),
    );
  }
  return { name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

/** The data is covered without gap or overlap, to the end of the file and not beyond. */
function checkCoverage(path: string, sorted: StoredTensor[], dataBegin: number, fileBytes: number): void {
  let at = dataBegin;
  for (const tensor of sorted) {
    const offsets = `[${tensor.begin - dataBegin}, ${tensor.end - dataBegin}]`;
    if (tensor.end > fileBytes) {
      const missing = `needs ${tensor.end} bytes of file, but the file ends after ${fileBytes}; it was cut short`;
      throw badTensor(path, tensor.name, missing, offsets);
    }
    if (tensor.begin < at) throw badTensor(path, tensor.name, 'overlaps the tensor before it', offsets);
    if (tensor.begin > at)
      throw badTensor(path, tensor.name, `leaves ${tensor.begin - at} bytes unused before it`, offsets);
    at = tensor.end;
  }
  if (at !== fileBytes)
    throw bad(path, `has ${fileBytes - at} bytes that belong to no tensor`, String(fileBytes));
}

function readMetadata(path: string, metadata: unknown): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isObject(metadata)) throw bad(path, 'has metadata that is not a JSON object');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw bad(path, `has metadata ${key} that is not a string`, show(value));
  }
  return metadata as Record<string, string>;
}

const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);

const isCountArray = (x: unknown): x is number[] =>
  Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n >= 0);

const show = (x: unknown): string => (JSON.stringify(x) ?? 'nothing').slice(0, 100);

const bad = (path: string, problem: string, value?: string, cause?: unknown): EmlocError =>
  new EmlocError('DATA_LOSS', 'BAD_SAFETENSORS', `${path} ${problem}`, {
    field: path,
    value,
    mend: 'fetch or write the file again',
    cause,
  });

const badTensor = (path: string, name: string, problem: string, value?: string): EmlocError =>
  new EmlocError('DATA_LOSS', 'BAD_SAFETENSORS', `${name} in ${path} ${problem}`, {
    field: name,
    value,
    mend: 'fetch or write the file again',
  });
