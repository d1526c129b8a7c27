/**
 * A GGUF file's metadata and tensors, by Hugging Face's parser, with every number checked against the file: the parser
 * reads past the end of a file that was cut short as if it were zeros. One little-endian file; no split files.
 */
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { EmlocError } from '@emloc/errors';
import { blockTypes, type BlockType } from './block-types.ts';
import { damaged, unsupported } from './errors.ts';
import { GgufMetadata } from './metadata.ts';

export interface GgufTensor {
  readonly name: string;
  readonly type: BlockType;
  /** Outermost axis first, as everywhere here; GGUF itself writes the innermost first. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly begin: number;
  readonly bytes: number;
}

export interface GgufFile {
  readonly path: string;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

export async function readGguf(path: string): Promise<GgufFile> {
  const file = basename(path);
  const fileBytes = await checkIsGguf(path, file);
  const parsed = await gguf(path, { allowLocalFile: true }).catch((error: unknown) => {
    throw damaged(file, `cannot be read: ${(error as Error).message}`, undefined, undefined, error);
  });
  if (!parsed.littleEndian) {
    throw unsupported(file, 'is big-endian', file, 'big-endian', 'convert it on a little-endian machine');
  }
  if (parsed.tensorInfoByteRange[1] > fileBytes) {
    throw damaged(
      file,
      `was cut short: its header needs ${parsed.tensorInfoByteRange[1]} bytes`,
      file,
      `${fileBytes}`,
    );
  }
  const metadata = new GgufMetadata(file, parsed.metadata as Record<string, unknown>);
  if ((metadata.optionalCount('split.count') ?? 1) > 1) {
    const mend = 'join the parts with llama.cpp: llama-gguf-split --merge FIRST-PART OUTPUT';
    throw unsupported(
      file,
      'is one part of a split file',
      'split.count',
      `${metadata.optionalCount('split.count')}`,
      mend,
    );
  }
  const tensors = new Map<string, GgufTensor>();
  for (const info of parsed.tensorInfos) {
    if (tensors.has(info.name)) throw damaged(file, `holds ${info.name} twice`, info.name);
    tensors.set(info.name, tensorOf(file, info, Number(parsed.tensorDataOffset)));
  }
  checkPlaces(file, [...tensors.values()], fileBytes);
  return { path, metadata, tensors };
}

async function checkIsGguf(path: string, file: string): Promise<number> {
  const info = await stat(path).catch((error: unknown) => {
    throw EmlocError.from(error);
  });
  const first = Buffer.alloc(16);
  if (info.isFile()) {
    const handle = await open(path);
    await handle.read(first, 0, first.length, 0).finally(() => handle.close());
  }
  const begin = first.toString('latin1');
  if (begin.startsWith('GGUF')) return info.size;
  const [what, mend] = info.isDirectory()
    ? ['a directory', 'name the .gguf file in it']
    : begin.startsWith('version https://')
      ? ['a Git LFS pointer', 'fetch the file itself (git lfs pull, or download it from the hub)']
      : ['not a GGUF file', 'name a file that begins with the letters GGUF'];
  throw new EmlocError('INVALID_ARGUMENT', 'NOT_GGUF', `${file} is ${what}`, {
    field: 'FILE.gguf',
    value: path,
    mend,
  });
}

function tensorOf(
  file: string,
  info: { name: string; shape: bigint[]; dtype: number; offset: bigint },
  dataBegin: number,
): GgufTensor {
  const type = blockTypes.get(info.dtype);
  if (!type) {
    const name = GGMLQuantizationType[info.dtype] ?? `type ${info.dtype}`;
    const known = [...blockTypes.values()].map((t) => t.name).join(', ');
    const mend = `use a file of ${known}; a Q8_0 or F16 file of the same model is nearest to it`;
    throw unsupported(file, `stores ${info.name} as ${name}, which is not imported`, info.name, name, mend);
  }
  const shape = info.shape.map(Number).reverse();
  const elements = shape.reduce((n, d) => n * d, 1);
  if (!Number.isSafeInteger(elements) || (shape.at(-1) ?? 0) % type.blockElements !== 0) {
    throw damaged(
      file,
      `has ${info.name} of shape [${shape.join(', ')}], not whole blocks of ${type.name}`,
      info.name,
    );
  }
  const bytes = (elements / type.blockElements) * type.blockBytes;
  return { name: info.name, type, shape, begin: dataBegin + Number(info.offset), bytes };
}

function checkPlaces(file: string, tensors: GgufTensor[], fileBytes: number): void {
  let at = 0;
  for (const tensor of [...tensors].sort((a, b) => a.begin - b.begin)) {
    const end = tensor.begin + tensor.bytes;
    if (end > fileBytes || !Number.isSafeInteger(end)) {
      throw damaged(
        file,
        `was cut short: ${tensor.name} needs ${end} bytes of file, it has ${fileBytes}`,
        tensor.name,
        `${end}`,
      );
    }
    if (tensor.begin < at)
      throw damaged(file, `has ${tensor.name} over another tensor`, tensor.name, `${tensor.begin}`);
    at = end;
  }
}
