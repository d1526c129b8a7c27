/**
 * Quantized checkpoints, known by what config.json says or, where it says nothing, by the names of their tensors. They
 * are refused by the name of their method: the weights that LoRA is trained for are those of the full model.
 */
import { EmlocError } from '@emloc/errors';
import type { StoredTensor } from '../types.ts';

export interface Quantization {
  /** Of config.json. */
  readonly field: string;
  /** Its own name, or what its settings are those of. */
  readonly method: string;
}

/** What config.json says about quantization; undefined where it says nothing. */
export const quantizationOf = (raw: Readonly<Record<string, unknown>>): Quantization | undefined => {
  const field = ['quantization_config', 'compression_config'].find((name) => raw[name] != null);
  return field === undefined ? undefined : { field, method: methodOf(Object(raw[field])) };
};

export const refuseQuantizedConfig = (raw: Readonly<Record<string, unknown>>): void => {
  const found = quantizationOf(raw);
  if (found !== undefined) throw quantized(found.method, found.field);
};

/** Checkpoints from before transformers wrote `quant_method` name their method by nothing but their settings. */
const settingsOf: readonly (readonly [method: string, setting: RegExp])[] = [
  ['bitsandbytes', /^(load_in_[48]bit|bnb_4bit_.*|llm_int8_.*)$/],
  ['gptq', /^desc_act$/],
  ['awq', /^(w_bit|q_group_size)$/],
];

const methodOf = (config: Readonly<Record<string, unknown>>): string => {
  const { quant_method: named } = config;
  if (typeof named === 'string') return named;
  const settings = Object.keys(config);
  return settingsOf.find(([, setting]) => settings.some((name) => setting.test(name)))?.[0] ?? 'unknown';
};

/** What the tensors of a method are called, the most telling first. */
const signs: readonly (readonly [method: string, name: RegExp])[] = [
  ['gptq', /\.g_idx$/],
  ['awq', /\.qzeros$/],
  ['gptq', /\.qweight$/],
  ['bitsandbytes', /\.(absmax|quant_map|nested_absmax|SCB)$|\.quant_state\./],
  ['compressed-tensors', /\.weight_packed$/],
  ['fp8', /\.weight_scale(_inv)?$/],
];

export const refuseQuantizedTensors = (tensors: ReadonlyMap<string, StoredTensor>): void => {
  const names = [...tensors.keys()];
  for (const [method, sign] of signs) {
    const found = names.find((name) => sign.test(name));
    if (found !== undefined) throw quantized(method, found);
  }
};

const quantized = (method: string, field: string): EmlocError =>
  new EmlocError('UNIMPLEMENTED', 'QUANTIZED_MODEL', `the checkpoint is quantized (${method})`, {
    field,
    value: method,
    mend: 'convert to bf16 first',
  });
