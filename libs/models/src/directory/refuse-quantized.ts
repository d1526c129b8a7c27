/**
 * Quantized checkpoints, known by what config.json says or, where it says nothing, by the names of their tensors. They
 * are refused by the name of their method: the weights that LoRA is trained for are those of the full model.
 */
import { EmlocError } from '@emloc/errors';
import type { StoredTensor } from '../types.ts';

export const refuseQuantizedConfig = (raw: Readonly<Record<string, unknown>>): void => {
  const field = ['quantization_config', 'compression_config'].find((name) => raw[name] != null);
  if (field === undefined) return;
  const method = (raw[field] as { quant_method?: unknown }).quant_method;
  throw quantized(typeof method === 'string' ? method : 'unknown', field);
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
