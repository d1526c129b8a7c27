/** PEFT's adapter format: names of files and tensors, and `adapter_config.json` as PEFT 0.21 writes and reads it. */
import { EmlocError } from '@emloc/errors';
import { z } from 'zod';

export const adapterFiles = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const;

/** Names of a module's factors: A is r × d_in, B is d_out × r. */
export const keyA = (module: string): string => `base_model.model.${module}.lora_A.weight`;
export const keyB = (module: string): string => `base_model.model.${module}.lora_B.weight`;

export interface PeftSettings {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string | readonly string[];
  readonly baseModel: string;
  /** Do the checkpoint's linears lie as in × out (GPT-2)? PEFT transposes what it merges then (false). */
  readonly fanInFanOut?: boolean;
}

/** All fields that PEFT writes, with its defaults, sorted as it sorts them. */
export function peftConfig(settings: PeftSettings): Record<string, unknown> {
  return {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: settings.baseModel,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: settings.fanInFanOut ?? false,
    inference_mode: true,
    init_lora_weights: true,
    kasa_config: null,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: settings.loraAlpha,
    lora_bias: false,
    lora_dropout: settings.loraDropout,
    lora_ga_config: null,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: null,
    monteclora_config: null,
    peft_type: 'LORA',
    peft_version: '0.21.2',
    qalora_group_size: 16,
    r: settings.r,
    rank_pattern: {},
    revision: null,
    target_modules: settings.targetModules,
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_bdlora: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: false,
    velora_config: null,
  };
}

const readSchema = z.looseObject({
  peft_type: z.literal('LORA', { error: 'only LoRA adapters are supported' }),
  r: z.int('r must be a whole number').min(1, 'r is at least 1'),
  lora_alpha: z.number('lora_alpha must be a number').gt(0, 'lora_alpha must be above 0'),
  lora_dropout: z.number().min(0).lt(1).default(0),
  target_modules: z.union([z.string(), z.array(z.string())], { error: 'target_modules must be given' }),
  base_model_name_or_path: z.string().nullish(),
});

/**
 * What would change the adapter's meaning if it were passed over; `plain` says when it is as we need it. `fan_in_fan_out`
 * would not: A and B are the same, and the checkpoint tells how its weights lie.
 */
const refused: readonly { field: string; plain: (value: unknown) => boolean }[] = [
  { field: 'bias', plain: (value) => value === 'none' },
  ...['use_dora', 'use_rslora', 'use_qalora', 'lora_bias'].map((field) => ({
    field,
    plain: (value: unknown) => value === false,
  })),
  ...['rank_pattern', 'alpha_pattern'].map((field) => ({
    field,
    plain: (value: unknown) => typeof value === 'object' && Object.keys(value ?? {}).length === 0,
  })),
  ...[
    'modules_to_save',
    'target_parameters',
    'trainable_token_indices',
    'layer_replication',
    'alora_invocation_tokens',
    'use_bdlora',
  ].map((field) => ({ field, plain: (value: unknown) => Array.isArray(value) && value.length === 0 })),
];

/** Reads a parsed `adapter_config.json`; refuses what plain LoRA on linears cannot express. */
export function parsePeftConfig(raw: unknown, file: string): PeftSettings {
  const parsed = readSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_ADAPTER', `${file}: ${issue?.message ?? 'not valid'}`, {
      field: issue?.path.join('.') || 'adapter',
      mend: 'give a LoRA adapter directory as PEFT writes it',
      cause: parsed.error,
    });
  }
  for (const { field, plain } of refused) {
    const value = parsed.data[field];
    if (value === undefined || value === null || plain(value)) continue;
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'UNSUPPORTED_ADAPTER',
      `${file}: adapters with ${field} are not supported`,
      {
        field,
        value: JSON.stringify(value),
        mend: 'use plain LoRA: one rank and alpha for all linears, no bias',
      },
    );
  }
  const { r, lora_alpha, lora_dropout, target_modules, base_model_name_or_path } = parsed.data;
  return {
    r,
    loraAlpha: lora_alpha,
    loraDropout: lora_dropout,
    targetModules: target_modules,
    baseModel: base_model_name_or_path ?? '',
  };
}
