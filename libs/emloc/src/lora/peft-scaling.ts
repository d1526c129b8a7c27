/**
 * Rank and scale of each module of a PEFT adapter: `rank_pattern` and `alpha_pattern` give some modules others than `r`
 * and `lora_alpha`; the scale is α / r, with `use_rslora` α / √r (rank-stabilized LoRA, arXiv 2312.03732).
 */
import { EmlocError } from '@emloc/errors';

export interface PeftScaling {
  readonly r: number;
  readonly loraAlpha: number;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly rslora: boolean;
}

export interface ModuleScaling {
  readonly r: number;
  /** Of B A. */
  readonly scale: number;
}

export function scalingOf(scaling: PeftScaling, module: string): ModuleScaling {
  const r = valueOf(scaling.rankPattern, module, 'rank_pattern') ?? scaling.r;
  const alpha = valueOf(scaling.alphaPattern, module, 'alpha_pattern') ?? scaling.loraAlpha;
  return { r, scale: alpha / (scaling.rslora ? Math.sqrt(r) : r) };
}

/** As PEFT: the first key that is the module's name, its end after a dot, or a regular expression for either. */
function valueOf(
  pattern: Readonly<Record<string, number>>,
  module: string,
  field: string,
): number | undefined {
  const known = compiled.get(pattern);
  const keys =
    known ?? Object.entries(pattern).map(([key, value]) => [expression(key, field), value] as const);
  if (known === undefined) compiled.set(pattern, keys);
  return keys.find(([key]) => key.test(module))?.[1];
}

/** A pattern is asked about every module of an adapter, several times. */
const compiled = new WeakMap<object, readonly (readonly [RegExp, number])[]>();

function expression(key: string, field: string): RegExp {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`);
  } catch (cause) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_ADAPTER',
      `${field} has a key that is no regular expression: ${key}`,
      {
        field,
        value: key,
        mend: 'give a LoRA adapter directory as PEFT writes it',
        cause,
      },
    );
  }
}
