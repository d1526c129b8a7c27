/**
 * The choice by held-out loss: of the uncorrected adapter, stronger ones (the emulator underestimates) and the paper's
 * correction with several limits, the one with which the ORIGINAL does best. All candidates go through each layer
 * while it is loaded. Never worse on the held-out rows than the uncorrected one, which is compared on all of them.
 */
import type { LinearsFor, ModelDirectory, TokenRow, WeightSource } from '@emloc/models';
import { summarize, type Evaluation } from '../evaluation/evaluate.ts';
import { sweep, type RowScore, type SweepOptions } from '../evaluation/sweep.ts';
import { adapterLinears } from '../lora/adapter-linears.ts';
import { LoraAdapter } from '../lora/lora-adapter.ts';
import { correctAdapter, type Correction } from './correct-adapter.ts';

/** How a candidate is made of the trained adapter. */
export type CandidateRecipe =
  | { readonly method: 'none'; readonly strength: number }
  | { readonly method: 'paper'; readonly limit: number };

/** In the order in which ties are resolved: the plainest first. */
export const defaultRecipes: readonly CandidateRecipe[] = [
  { method: 'none', strength: 1 },
  { method: 'none', strength: 1.25 },
  { method: 'none', strength: 1.5 },
  ...[0.1, 0.3, 1, 3].map((limit) => ({ method: 'paper' as const, limit })),
];

export interface ChooseRequest extends SweepOptions {
  readonly original: ModelDirectory;
  readonly emulator: ModelDirectory;
  /** The original's weights, streamed. */
  readonly source: WeightSource;
  readonly adapter: LoraAdapter;
  readonly rows: readonly TokenRow[];
  readonly recipes?: readonly CandidateRecipe[];
  /** Rows on which all candidates are compared (16); only the best go through the others. */
  readonly screeningRows?: number;
}

/** Of all candidates, those that are compared on every row; the first recipe is always one of them. */
const finalists = 3;
const defaultScreeningRows = 16;

export interface CandidateScore {
  readonly recipe: CandidateRecipe;
  /** Compared on every row? If not, `evaluation.rows` are the first of them. */
  readonly isFinalist: boolean;
  readonly evaluation: Evaluation;
  readonly clampedRows?: number;
}

export interface Choice {
  readonly chosen: CandidateRecipe;
  /** The chosen adapter; the caller's. */
  readonly adapter: LoraAdapter;
  readonly scores: readonly CandidateScore[];
  /** Of the chosen one, where it is a correction. */
  readonly correction: Correction | undefined;
}

/** Corrects with each limit, evaluates every candidate on the original, and gives the best. */
export async function chooseAdapter(request: ChooseRequest): Promise<Choice> {
  const { source, adapter, recipes = defaultRecipes } = request;
  const limits = recipes.flatMap((recipe) => (recipe.method === 'paper' ? [recipe.limit] : []));
  const corrections =
    limits.length === 0 ? [] : await correctAdapter({ ...request, limits, onProgress: undefined });
  const correctionOf = (recipe: CandidateRecipe) =>
    recipe.method === 'paper' ? corrections.find(({ limit }) => limit === recipe.limit) : undefined;
  try {
    const variants = recipes.map((recipe) => {
      const strength = recipe.method === 'none' ? recipe.strength : 1;
      return adapterLinears(source, correctionOf(recipe)?.adapter ?? adapter, () => ({ strength }));
    });
    const compared = await compare(request, variants);
    const scores = recipes.map((recipe, i): CandidateScore => {
      const clampedRows = correctionOf(recipe)?.clampedRows;
      return { recipe, ...(compared[i] as Compared), ...(clampedRows === undefined ? {} : { clampedRows }) };
    });
    const { recipe: chosen } = bestOf(scores.filter(({ isFinalist }) => isFinalist));
    const correction = correctionOf(chosen);
    return { chosen, adapter: materialize(chosen, adapter, correction), scores, correction };
  } finally {
    for (const correction of corrections) correction.adapter.dispose();
  }
}

type Compared = Pick<CandidateScore, 'evaluation' | 'isFinalist'>;

/** All on some rows, the best and the first on the rest: most of the price is in the rest. */
async function compare(request: ChooseRequest, variants: readonly LinearsFor[]): Promise<Compared[]> {
  const { source, rows, screeningRows = defaultScreeningRows } = request;
  const few = variants.length <= finalists || rows.length <= screeningRows;
  const first = few ? rows : rows.slice(0, screeningRows);
  const screened = await sweep(source, first, variants, request);
  const evaluations = screened.map((scores) => ({ evaluation: summarize(first, scores) }));
  if (few) return evaluations.map(({ evaluation }) => ({ evaluation, isFinalist: true }));

  const chosen = [0];
  while (chosen.length < finalists) {
    const others = evaluations.map((score, i) => ({ ...score, i })).filter(({ i }) => !chosen.includes(i));
    chosen.push(bestOf(others).i);
  }
  const rest = rows.slice(first.length);
  const final = await sweep(
    source,
    rest,
    chosen.map((i) => variants[i] as LinearsFor),
    request,
  );
  return evaluations.map(({ evaluation }, i) => {
    const place = chosen.indexOf(i);
    if (place === -1) return { evaluation, isFinalist: false };
    const scores = [...(screened[i] as RowScore[]), ...(final[place] as RowScore[])];
    return { evaluation: summarize(rows, scores), isFinalist: true };
  });
}

/** The lowest held-out loss; the earlier one where two are equal. NaN never wins over a number. */
export function bestOf<T extends { readonly evaluation: Pick<Evaluation, 'loss'> }>(scores: readonly T[]): T {
  const [first, ...rest] = scores;
  if (first === undefined) throw new RangeError('nothing to choose from');
  const loss = (score: T) => (Number.isNaN(score.evaluation.loss) ? Infinity : score.evaluation.loss);
  return rest.reduce((best, score) => (loss(score) < loss(best) ? score : best), first);
}

/** A copy of the adapter as the recipe makes it. */
function materialize(
  recipe: CandidateRecipe,
  adapter: LoraAdapter,
  correction: Correction | undefined,
): LoraAdapter {
  if (correction !== undefined) return correction.adapter.clone();
  return recipe.method === 'none' ? scaledAdapter(adapter, recipe.strength) : adapter.clone();
}

/** The adapter with its effect multiplied: B ← strength · B. */
export function scaledAdapter(adapter: LoraAdapter, strength: number): LoraAdapter {
  const copy = adapter.clone();
  if (strength === 1) return copy;
  const values = copy.values();
  const { r, modules } = copy.layout;
  for (const { bOffset, outFeatures } of modules) {
    for (let i = bOffset; i < bOffset + outFeatures * r; i += 1) values[i] = (values[i] ?? 0) * strength;
  }
  copy.dispose();
  return LoraAdapter.fromValues(adapter.settings, adapter.layout, values, adapter.dtype);
}
