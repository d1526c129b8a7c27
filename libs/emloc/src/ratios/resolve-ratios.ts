/**
 * Which linear is compressed to which rank. One ratio for all, or an ordered list of patterns against the whole
 * module name: the first that matches wins, ratio 1 and what nothing matches stay full.
 */
import { EmlocError } from '@emloc/errors';
import type { DecoderLinear } from '../decoder-linears.ts';
import { wholeNamePattern } from '../whole-name-pattern.ts';
import { rankOf, smallestRatio } from './rank.ts';

/** One ratio, or pattern → ratio in order (an object keeps the order its keys were written in). */
export type RatioSpec =
  | { readonly ratio: number }
  | { readonly ratios: Readonly<Record<string, number>> | readonly (readonly [string, number])[] };

export interface CompressedLinear {
  readonly module: string;
  readonly ratio: number;
  readonly rank: number;
}

/** Those linears that get factors, by module name, in the order of `linears`. Everything else stays full. */
export function resolveRatios(
  linears: readonly DecoderLinear[],
  spec: RatioSpec,
): ReadonlyMap<string, CompressedLinear> {
  const rules = ratioRules(spec);
  const matched = new Set<string>();
  const compressed = new Map<string, CompressedLinear>();
  for (const { module, inFeatures, outFeatures } of linears) {
    const matching = rules.filter(({ pattern }) => pattern.test(module));
    for (const { source } of matching) matched.add(source);
    const first = matching[0];
    if (first === undefined || first.ratio === 1) continue;
    const rank = rankOf(outFeatures, inFeatures, first.ratio);
    if (rank < 1) {
      throw new EmlocError(
        'INVALID_ARGUMENT',
        'RANK_ZERO',
        `ratio ${first.ratio} leaves ${module} (${outFeatures} × ${inFeatures}) with rank 0`,
        {
          field: first.field,
          value: String(first.ratio),
          mend: `use a ratio of at least ${smallestRatio(outFeatures, inFeatures)} for it, or 1 to leave it full`,
        },
      );
    }
    compressed.set(module, { module, ratio: first.ratio, rank });
  }
  for (const { source, field } of rules) {
    if (matched.has(source)) continue;
    throw new EmlocError('INVALID_ARGUMENT', 'PATTERN_MATCHES_NOTHING', `${source} matches no linear`, {
      field,
      value: source,
      mend: `match whole names such as ${linears[0]?.module ?? 'model.layers.0.self_attn.q_proj'}`,
    });
  }
  return compressed;
}

/** The spec as `emloc.json` records it. */
export function ratioRecord(spec: RatioSpec): Record<string, number> {
  return Object.fromEntries('ratio' in spec ? [['.*', spec.ratio]] : entriesOf(spec.ratios));
}

function ratioRules(spec: RatioSpec) {
  const entries: readonly (readonly [string, number])[] =
    'ratio' in spec ? [['.*', spec.ratio]] : entriesOf(spec.ratios);
  if (entries.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'NO_RATIOS', 'no pattern is given', {
      field: 'ratios',
      mend: 'give at least one pattern and its ratio',
    });
  }
  return entries.map(([source, ratio]) => {
    const field = 'ratio' in spec ? 'ratio' : `ratios[${source}]`;
    if (typeof ratio !== 'number' || !(ratio > 0 && ratio <= 1)) {
      throw new EmlocError('INVALID_ARGUMENT', 'RATIO_OUT_OF_RANGE', `${String(ratio)} is not in (0, 1]`, {
        field,
        value: String(ratio),
        mend: 'choose a ratio such as 0.5; 1 leaves a linear full',
      });
    }
    return { source, field, ratio, pattern: wholeNamePattern(source, field) };
  });
}

function entriesOf(
  ratios: Readonly<Record<string, number>> | readonly (readonly [string, number])[],
): readonly (readonly [string, number])[] {
  return Array.isArray(ratios) ? ratios : Object.entries(ratios as Readonly<Record<string, number>>);
}
