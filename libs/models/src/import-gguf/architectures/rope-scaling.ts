/**
 * Rope scaling as config.json says it. llama.cpp stores Llama 3's as the factors themselves (a tensor), not the four
 * numbers they came from; the numbers of all released models are tried, and a tensor that they do not give is refused
 * rather than guessed at.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { unsupported } from '../errors.ts';
import type { GgufFile, GgufTensor } from '../read-gguf.ts';

interface Llama3Scaling {
  readonly rope_type: 'llama3';
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

interface YarnScaling {
  readonly rope_type: 'yarn';
  readonly factor: number;
  readonly original_max_position_embeddings: number;
  readonly beta_fast?: number;
  readonly beta_slow?: number;
}

export type RopeScalingConfig =
  Llama3Scaling | YarnScaling | { readonly rope_type: 'linear'; readonly factor: number };

/** Undefined: none. */
export function ropeScaling(
  file: GgufFile,
  fileName: string,
  prefix: string,
  factorsTensor: string,
  theta: number,
  headDim: number,
): RopeScalingConfig | undefined {
  const { metadata, tensors } = file;
  const type = metadata.optionalText(`${prefix}.rope.scaling.type`) ?? 'none';
  const linear =
    metadata.optionalNumber(`${prefix}.rope.scaling.factor`) ??
    metadata.optionalNumber(`${prefix}.rope.scale_linear`);
  const factors = tensors.get(factorsTensor);
  if (factors) return llama3Scaling(fileName, readFactors(file, factors), theta, headDim);
  if (type === 'linear' || (type === 'none' && metadata.optionalNumber(`${prefix}.rope.scale_linear`))) {
    return linear === undefined || linear === 1 ? undefined : { rope_type: 'linear', factor: linear };
  }
  if (type === 'none') return undefined;
  if (type === 'yarn') return yarnScaling(file, fileName, prefix, linear);
  const mend = 'import the model without long-context scaling, or from its Hugging Face directory';
  throw unsupported(fileName, `scales its positions by ${type}`, `${prefix}.rope.scaling.type`, type, mend);
}

/** llama.cpp's attention factor is transformers' own, 1 + 0.1 ln(factor), unless the file gives another. */
function yarnScaling(
  { metadata }: GgufFile,
  fileName: string,
  prefix: string,
  factor: number | undefined,
): YarnScaling {
  const key = (name: string): string => `${prefix}.rope.scaling.${name}`;
  for (const name of ['yarn_ext_factor', 'yarn_attn_factor', 'yarn_log_multiplier', 'attn_factor']) {
    const value = metadata.optionalNumber(key(name));
    if (value === undefined) continue;
    const mend = 'import the model from its Hugging Face directory';
    throw unsupported(fileName, `scales its positions by yarn with ${name}`, key(name), `${value}`, mend);
  }
  const [fast, slow] = [
    metadata.optionalNumber(key('yarn_beta_fast')),
    metadata.optionalNumber(key('yarn_beta_slow')),
  ];
  return {
    rope_type: 'yarn',
    factor: factor ?? metadata.number(key('factor')),
    original_max_position_embeddings: metadata.count(key('original_context_length')),
    ...(fast !== undefined && { beta_fast: fast }),
    ...(slow !== undefined && { beta_slow: slow }),
  };
}

function llama3Scaling(
  fileName: string,
  factors: Float32Array,
  theta: number,
  headDim: number,
): Llama3Scaling | undefined {
  const factor = factors.reduce((a, b) => Math.max(a, b), 1);
  if (factors.every((x) => x === 1)) return undefined;
  const scaling: Llama3Scaling = {
    rope_type: 'llama3',
    factor: Number(factor.toPrecision(6)),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = llama3Factors(scaling, theta, headDim);
  const agrees =
    factors.length === expected.length && factors.every((x, i) => Math.abs(x - expected[i]!) < 1e-4 * x);
  if (agrees) return scaling;
  const mend = 'import the model from its Hugging Face directory, whose config.json names its scaling';
  throw unsupported(
    fileName,
    'scales its positions by factors that are not Llama 3’s',
    'rope_freqs.weight',
    `${factor}`,
    mend,
  );
}

/** The factors that llama.cpp's converter makes of the four numbers. */
export function llama3Factors(scaling: Llama3Scaling, theta: number, headDim: number): number[] {
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  } = scaling;
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const waveLength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (waveLength < original / high) return 1;
    if (waveLength > original / low) return factor;
    const smooth = (original / waveLength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function readFactors(file: GgufFile, tensor: GgufTensor): Float32Array {
  const bytes = new Uint8Array(tensor.bytes);
  const fd = openSync(file.path, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, tensor.begin);
  } finally {
    closeSync(fd);
  }
  return tensor.type.dequantize(bytes);
}
