/** PEFT's adapter format: names of files and tensors, and `adapter_config.json` as PEFT 0.21 writes and reads it. */
import { EmlocError } from '@emloc/errors';
import { z } from 'zod';
import type { PeftScaling } from './peft-scaling.ts';

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

/** What was read: `r` and `loraAlpha` are those of plain LoRA with the same scale α / r. */
export interface ReadPeftSettings extends PeftSettings {
  readonly scaling: PeftScaling;
  /** The targets alone do not say which modules are adapted: layers are chosen, or modules excluded. */
  readonly inSomeLayers: boolean;
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
  rank_pattern: z
    .record(z.string(), z.int().min(1), 'rank_pattern must map modules to whole numbers of 1 or more')
    .nullish(),
  alpha_pattern: z
    .record(z.string(), z.number().gt(0), 'alpha_pattern must map modules to numbers above 0')
    .nullish(),
  use_rslora: z.boolean('use_rslora must be true or false').nullish(),
  layers_to_transform: z.unknown(),
  exclude_modules: z.unknown(),
});

const useMerged = 'merge it into its base with PEFT (merge_and_unload), and use the merged model';
const trainPlain = 'train the adapter without it';
const convertInit =
  'make plain LoRA of it in PEFT: save_pretrained(DIR, path_initial_model_for_weight_conversion=INITIAL), or merge_and_unload';

interface Refused {
  readonly field: string;
  /** Is the value as plain LoRA has it? */
  readonly plain: (value: unknown) => boolean;
  readonly mend: string;
}

const isOff = (value: unknown): boolean => value === false;
const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const never = (): boolean => false;
/** With any other (PiSSA, OLoRA, CorDA, LoftQ, …) PEFT takes the first product out of the base's own weights. */
const keepsBase = (init: unknown): boolean =>
  typeof init === 'boolean' || ['gaussian', 'eva', 'orthogonal', 'mica'].includes(String(init).toLowerCase());

/**
 * What would change the adapter's meaning if it were passed over. `fan_in_fan_out` would not: A and B are the same, and
 * the checkpoint tells how its weights lie; nor would `layers_to_transform`: the file says which layers have factors.
 */
const refused: readonly Refused[] = [
  { field: 'bias', plain: (value) => value === 'none', mend: useMerged },
  ...['use_dora', 'use_qalora', 'use_bdlora', 'lora_bias'].map((field) => ({
    field,
    plain: isOff,
    mend: useMerged,
  })),
  ...['modules_to_save', 'target_parameters', 'trainable_token_indices', 'layer_replication'].map(
    (field) => ({
      field,
      plain: isEmpty,
      mend: field === 'modules_to_save' ? useMerged : trainPlain,
    }),
  ),
  { field: 'alora_invocation_tokens', plain: isEmpty, mend: trainPlain },
  { field: 'init_lora_weights', plain: keepsBase, mend: convertInit },
  ...['kasa_config', 'monteclora_config', 'velora_config', 'arrow_config'].map((field) => ({
    field,
    plain: never,
    mend: trainPlain,
  })),
];

/** Of what is no linear of a decoder layer, but PEFT can adapt or save. */
const beyondLayers = /(?:^|\.)(?:embed_tokens|wte|wpe|lm_head)(?:\.|$)/;

/** The error of a tensor or module of the embedding or the head; undefined where it is neither. */
export function beyondLayersError(name: string, dir: string): EmlocError | undefined {
  const part = beyondLayers.exec(name)?.[0].replaceAll('.', '');
  if (part === undefined) return undefined;
  return new EmlocError(
    'INVALID_ARGUMENT',
    'UNSUPPORTED_ADAPTER',
    `${dir}: adapters that change ${part} are not supported, only those of linears of decoder layers`,
    { field: 'target_modules', value: part, mend: useMerged },
  );
}

/** Reads a parsed `adapter_config.json`; refuses what plain LoRA on linears cannot express. */
export function parsePeftConfig(raw: unknown, file: string): ReadPeftSettings {
  const parsed = readSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_ADAPTER', `${file}: ${issue?.message ?? 'not valid'}`, {
      field: issue?.path.join('.') || 'adapter',
      mend: 'give a LoRA adapter directory as PEFT writes it',
      cause: parsed.error,
    });
  }
  for (const { field, plain, mend } of refused) {
    const value = parsed.data[field];
    if (value === undefined || value === null || plain(value)) continue;
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'UNSUPPORTED_ADAPTER',
      `${file}: adapters with ${field}${typeof value === 'string' ? ` "${value}"` : ''} are not supported`,
      {
        field,
        value: JSON.stringify(value),
        mend,
      },
    );
  }
  const { data } = parsed;
  const scaling = {
    r: data.r,
    loraAlpha: data.lora_alpha,
    rankPattern: data.rank_pattern ?? {},
    alphaPattern: data.alpha_pattern ?? {},
    rslora: data.use_rslora ?? false,
  };
  return {
    r: data.r,
    loraAlpha: scaling.rslora ? data.lora_alpha * Math.sqrt(data.r) : data.lora_alpha,
    loraDropout: data.lora_dropout,
    targetModules: data.target_modules,
    baseModel: data.base_model_name_or_path ?? '',
    scaling,
    inSomeLayers: data.layers_to_transform != null || data.exclude_modules != null,
  };
}
