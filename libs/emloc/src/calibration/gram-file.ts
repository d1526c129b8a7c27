/**
 * Gram matrices in a file: safetensors with `gram.<module>` once for each group of linears that share an input, and
 * the metadata key `gram_of`, JSON, which maps every linear to its tensor. For linears that a router sends rows to, also
 * `rows.<module>`, f64 [1]: how many rows the Gram was summed over.
 */
import { bytesOf, tensorFromBytes, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import {
  readSafetensorsHeader,
  readTensorBytes,
  SafetensorsWriter,
  type DType,
  type SafetensorsFile,
} from '@emloc/tensor-stream';
import type { DecoderLinear } from '../decoder-linears.ts';
import { traceOf } from '../matrix.ts';
import {
  disposeGrams,
  gramTensorName,
  rowsTensorName,
  type GramLayers,
  type LayerGrams,
} from './layer-grams.ts';

export interface GramFileInfo {
  readonly samples?: number;
  readonly tokens?: number;
  /** Digest of the model whose activations these are. */
  readonly model?: string;
}

/** Writes the stream's layers as they come; the file appears when the last is in, or not at all. */
export async function writeGramFile(
  path: string,
  linears: readonly DecoderLinear[],
  layers: GramLayers,
  info: GramFileInfo = {},
  dtype: DType = 'f32',
): Promise<void> {
  const sides = new Map(linears.map(({ inputGroup, inFeatures }) => [inputGroup, inFeatures]));
  const gramOf = Object.fromEntries(
    linears.map(({ module, inputGroup }) => [module, gramTensorName(inputGroup)]),
  );
  const routed = new Set(linears.filter((linear) => linear.routed).map(({ inputGroup }) => inputGroup));
  const rowsName = (group: string): string => rowsTensorName(gramTensorName(group));
  using writer = new SafetensorsWriter(
    path,
    [
      ...[...sides].map(([group, side]) => ({ name: gramTensorName(group), dtype, shape: [side, side] })),
      ...[...routed].map((group) => ({ name: rowsName(group), dtype: 'f64' as const, shape: [1] })),
    ],
    { gram_of: JSON.stringify(gramOf), calibration: JSON.stringify(info) },
  );
  for await (const { grams, rows } of layers) {
    for (const [group, gram] of grams) {
      writer.write(gramTensorName(group), bytesOf(gram));
      if (!routed.has(group)) continue;
      writer.write(rowsName(group), new Uint8Array(Float64Array.of(rows.get(group) ?? 0).buffer));
    }
  }
  writer.finish();
}

/** A Gram file, checked from its header alone. */
export interface GramFile {
  readonly file: SafetensorsFile;
  readonly gramOf: ReadonlyMap<string, string>;
  readonly info: GramFileInfo;
}

export function openGramFile(path: string): GramFile {
  const file = readSafetensorsHeader(path);
  const text = file.metadata['gram_of'];
  if (text === undefined) throw badFile(path, 'has no metadata gram_of');
  const gramOf = new Map(Object.entries(parseJson<Record<string, string>>(path, text)));
  for (const [module, name] of gramOf) {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) throw badFile(path, `maps ${module} to ${name}, which it does not hold`);
    if (tensor.shape.length !== 2 || tensor.shape[0] !== tensor.shape[1]) {
      throw badFile(path, `holds ${name} of shape ${tensor.shape.join(' × ')}, which is not square`);
    }
  }
  return { file, gramOf, info: parseJson<GramFileInfo>(path, file.metadata['calibration'] ?? '{}') };
}

/** Does the file hold a Gram of the right side for each of these linears? Told from its header. */
export function assertGramsOf({ file, gramOf }: GramFile, linears: readonly DecoderLinear[]): void {
  for (const linear of linears) gramTensor(file, gramOf, linear);
}

/** The Grams of a file layer by layer, for those of `linears` that are wanted. Missing ones are refused at the start. */
export async function* readGramLayers(
  gramFile: GramFile,
  linears: readonly DecoderLinear[],
): AsyncGenerator<LayerGrams, void, void> {
  const { file, gramOf } = gramFile;
  assertGramsOf(gramFile, linears);
  for (const layer of new Set(linears.map((linear) => linear.layer))) {
    const wanted = linears.filter((linear) => linear.layer === layer);
    const grams = new Map<string, Tensor>();
    try {
      for (const linear of wanted) {
        const stored = gramTensor(file, gramOf, linear);
        if (grams.has(stored.name)) continue;
        const gram = tensorFromBytes(readTensorBytes(file, stored.name), stored.shape, stored.dtype);
        grams.set(stored.name, gram);
        if (!Number.isFinite(traceOf(gram))) {
          throw badFile(file.path, `holds NaN or infinity in ${stored.name}`);
        }
      }
      const of = new Map(wanted.map(({ module }) => [module, gramOf.get(module) as string]));
      yield { layer, grams, gramOf: of, rows: rowsIn(file, grams.keys()) };
    } finally {
      disposeGrams(grams);
    }
  }
}

/** Of those Grams beside which the file tells them. */
function rowsIn(file: SafetensorsFile, grams: Iterable<string>): Map<string, number> {
  const rows = new Map<string, number>();
  for (const gram of grams) {
    const name = rowsTensorName(gram);
    if (!file.tensors.has(name)) continue;
    const bytes = readTensorBytes(file, name);
    rows.set(gram, new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true));
  }
  return rows;
}

function gramTensor(file: SafetensorsFile, gramOf: ReadonlyMap<string, string>, linear: DecoderLinear) {
  const stored = file.tensors.get(gramOf.get(linear.module) ?? '');
  if (stored === undefined) throw badFile(file.path, `has no Gram matrix for ${linear.module}`);
  if (stored.shape[0] !== linear.inFeatures) {
    throw badFile(
      file.path,
      `holds ${stored.name} of side ${String(stored.shape[0])}, but ${linear.module} has ${linear.inFeatures} inputs`,
    );
  }
  return stored;
}

function parseJson<T>(path: string, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw badFile(path, 'has metadata that is not JSON', cause);
  }
}

function badFile(path: string, problem: string, cause?: unknown): EmlocError {
  return new EmlocError('INVALID_ARGUMENT', 'BAD_STATISTICS', `${path} ${problem}`, {
    field: 'statistics',
    value: path,
    mend: 'make the file with calibrate for this model',
    cause,
  });
}
