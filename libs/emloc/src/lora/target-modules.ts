/** Which linears get an adapter: names, `all-linear`, or one regular expression for the whole name, as in PEFT. */
import { EmlocError } from '@emloc/errors';
import type { DecoderLinear } from '../decoder-linears.ts';
import { wholeNamePattern } from '../whole-name-pattern.ts';

export type TargetModules = string | readonly string[];

const everyLinear = 'all-linear';

/**
 * The linears that `target` chooses, in the order of `linears`. A name chooses every linear whose full name is it or
 * ends in `.name`; each name must choose something.
 */
export function selectTargets(linears: readonly DecoderLinear[], target: TargetModules): DecoderLinear[] {
  if (typeof target !== 'string') {
    for (const name of target) {
      if (!linears.some(({ module }) => isNamed(module, name))) throw nothing(name, linears);
    }
    return linears.filter(({ module }) => target.some((name) => isNamed(module, name)));
  }
  if (target.toLowerCase() === everyLinear) return [...linears];
  const pattern = wholeNamePattern(target, 'target_modules');
  const chosen = linears.filter(({ module }) => pattern.test(module));
  if (chosen.length === 0) throw nothing(target, linears);
  return chosen;
}

/** What a user typed in one line: `all-linear`, names between commas, or a regular expression. */
export function parseTargetModules(text: string): TargetModules {
  const names = text.split(',').map((name) => name.trim());
  const plain = names.every((name) => /^[\w.]+$/.test(name));
  return plain && text.toLowerCase() !== everyLinear ? names : text;
}

/**
 * The same choice as `adapter_config.json` spells it: a regular expression stays, anything else becomes the sorted
 * names inside the layer.
 */
export function targetModulesForPeft(
  chosen: readonly Pick<DecoderLinear, 'name'>[],
  target: TargetModules,
): string | string[] {
  if (typeof target !== 'string') return [...new Set(target)].sort();
  if (target.toLowerCase() !== everyLinear) return target;
  return [...new Set(chosen.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))].sort();
}

const isNamed = (module: string, name: string): boolean => module === name || module.endsWith(`.${name}`);

function nothing(target: string, linears: readonly DecoderLinear[]): EmlocError {
  const known = [...new Set(linears.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))];
  return new EmlocError(
    'INVALID_ARGUMENT',
    'TARGET_MATCHES_NOTHING',
    `${target} matches no linear of a decoder layer`,
    { field: 'target_modules', value: target, mend: `this model has ${known.join(', ')}; or use all-linear` },
  );
}
