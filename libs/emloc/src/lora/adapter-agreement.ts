/** Does an adapter to start from agree with what the run is to train? */
import { basename } from 'node:path';
import { EmlocError } from '@emloc/errors';
import type { DecoderLinear } from '../decoder-linears.ts';
import { isUniform, type AdapterDirectory } from './open-adapter.ts';
import { selectTargets } from './target-modules.ts';

export interface AdapterWishes {
  readonly loraR: number;
  readonly loraAlpha: number;
  readonly targetModules: string | readonly string[];
}

/** Refuses an adapter whose modules differ in rank or scale: it can be used, corrected and merged, but not trained on. */
export function assertTrainable(adapter: AdapterDirectory): void {
  if (isUniform(adapter)) return;
  const { rankPattern } = adapter.settings.scaling;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'UNSUPPORTED_ADAPTER',
    'an adapter whose linears differ in rank or alpha cannot be trained on',
    {
      field: Object.keys(rankPattern).length > 0 ? 'rank_pattern' : 'alpha_pattern',
      value: basename(adapter.dir),
      mend: 'start from an adapter with one rank and alpha, or from none',
    },
  );
}

/** Refuses an adapter to start from that has another rank, alpha or other modules than the run is to train. */
export function assertAdapterAgrees(
  adapter: AdapterDirectory,
  linears: readonly DecoderLinear[],
  { loraR, loraAlpha, targetModules }: AdapterWishes,
): void {
  assertTrainable(adapter);
  const wanted = new Set(selectTargets(linears, targetModules).map(({ module }) => module));
  const has = new Set(adapter.modules.map(({ module }) => module));
  const missing = [...wanted].find((module) => !has.has(module));
  const extra = [...has].find((module) => !wanted.has(module));
  const differences: readonly (readonly [string, unknown, unknown, boolean])[] = [
    ['lora_r', adapter.settings.r, loraR, adapter.settings.r !== loraR],
    ['lora_alpha', adapter.settings.loraAlpha, loraAlpha, adapter.settings.loraAlpha !== loraAlpha],
    ['target_modules', `without ${missing}`, 'chosen', missing !== undefined],
    ['target_modules', `with ${extra}`, 'not chosen', extra !== undefined],
  ];
  for (const [field, found, wish, differs] of differences) {
    if (!differs) continue;
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'ADAPTER_MISMATCH',
      `the adapter to start from has ${field} ${String(found)}, the run ${String(wish)}`,
      { field, value: basename(adapter.dir), mend: 'choose the options that the adapter was made with' },
    );
  }
}
