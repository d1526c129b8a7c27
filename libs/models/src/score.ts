/**
 * Scores many continuations of one prompt in ONE pass (tree attention): the prompt runs once, and after it the tokens
 * of a prefix tree over the continuations, each of which sees the prompt and its own ancestors. Positions go on after
 * the prompt. Costs about one forward of prompt + tree, whatever the number of continuations. What the prompts of a
 * micro-batch begin with runs once, too, and all micro-batches go through a layer while it is visited.
 */
import {
  concat,
  gather,
  logSoftmax,
  reshape,
  slice,
  tensor,
  tidy,
  toFloat64Array,
  type Tensor,
} from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { makeBatchContext, type SequenceLayout } from './batch-context.ts';
import { areTurnedAlike, batchOf, commonPrefix, idleRows, paddedTo, padTo } from './batch.ts';
import { groupsUpTo } from './groups.ts';
import { DEFAULT_SLICE_BYTES, gatherRows, logitsOf, rowsPerSlice, slices } from './head.ts';
import { forwardPass, type PassOptions } from './model-pass.ts';
import type { Batch, LinearsFor, WeightSource } from './types.ts';

export interface Choices {
  readonly promptIds: readonly number[];
  readonly continuations: readonly (readonly number[])[];
}

/** Σ log p of each continuation's tokens: `result[row][continuation]`. */
export const scoreContinuations = async (
  source: WeightSource,
  linearsFor: LinearsFor,
  rows: readonly Choices[],
  options: PassOptions = {},
): Promise<number[][]> => {
  if (rows.length === 0) return [];
  const trees = rows.map((row, i) => tokenTree(row, i));
  trees.forEach((tree, i) => checkTree(source, tree, i));
  const packs: TreePack[] = [];
  try {
    for (const some of groupsUpTo(trees, PACKED_TOKENS, ({ ids }) => ids.length))
      packs.push(treePack(source, some));
    const batches = packs.map(({ batch }) => batch);
    const forward = await forwardPass(source, batches, linearsFor, options);
    try {
      const pairs = packs.map((pack) => pack.pairs);
      return sums(trees, logProbsOf(source, forward.hidden, pairs));
    } finally {
      forward.dispose();
    }
  } finally {
    for (const { batch } of packs) batch.dispose();
  }
};

/** A row that predicts a token. */
interface Pair {
  readonly row: number;
  readonly token: number;
}

interface TokenTree {
  /** Tokens of the prompt, which `ids` begins with. */
  readonly prompt: number;
  readonly ids: readonly number[];
  readonly layout: SequenceLayout & { readonly length: number };
  /** By continuation: rows (within this tree) and the tokens they predict. */
  readonly pairs: readonly (readonly Pair[])[];
}

/** The last token of a continuation predicts nothing that is asked for, so it gets no row of its own. */
export const tokenTree = ({ promptIds, continuations }: Choices, index: number): TokenTree => {
  const prompt = promptIds.length;
  if (prompt === 0) throw badChoices(index, 'the prompt has no tokens');
  const ids = [...promptIds];
  const parents: number[] = []; // of the rows after the prompt
  const positions = promptIds.map((_, t) => t);
  const children = new Map<string, number>();
  const pairs = continuations.map((tokens) => {
    if (tokens.length === 0) throw badChoices(index, 'a continuation has no tokens');
    let row = prompt - 1;
    return tokens.map((token, depth): Pair => {
      const pair = { row, token };
      if (depth === tokens.length - 1) return pair;
      const key = `${row}:${token}`;
      let child = children.get(key);
      if (child === undefined) {
        child = ids.push(token) - 1;
        children.set(key, child);
        parents.push(row);
        positions.push(prompt + depth);
      }
      row = child;
      return pair;
    });
  });
  const ancestors = parents.map(() => new Set<number>());
  parents.forEach((parent, i) => {
    ancestors[i]!.add(prompt + i);
    if (parent >= prompt) for (const row of ancestors[parent - prompt]!) ancestors[i]!.add(row);
  });
  const visible = (query: number, key: number): boolean =>
    key < prompt ? key <= query : query >= prompt && ancestors[query - prompt]!.has(key);
  // Where the length of a sequence turns its tokens, a tree goes by its longest continuation.
  const length = prompt + Math.max(...continuations.map((tokens) => tokens.length));
  return { prompt, ids, layout: { tokens: ids.length, positions, visible, length }, pairs };
};

const checkTree = ({ config }: WeightSource, { ids, layout, pairs }: TokenTree, index: number): void => {
  const longest = Math.max(...layout.positions!) + 1;
  if (longest > config.maxPositionEmbeddings)
    throw badChoices(index, `${longest} tokens are more than the model's ${config.maxPositionEmbeddings}`);
  for (const id of [...ids, ...pairs.flat().map(({ token }) => token)])
    if (!Number.isInteger(id) || id < 0 || id >= config.vocabSize)
      throw badChoices(index, `token id ${id} is not in the model's vocabulary of ${config.vocabSize}`);
};

const badChoices = (index: number, message: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_CHOICES', message, {
    field: `row ${index}`,
    mend: 'tokenize prompt and choices with the tokenizer of this model, and shorten what is too long',
  });

/** Tokens of a micro-batch, before what its prompts share is left out: small enough to go side by side. */
const PACKED_TOKENS = 320;

interface TreePack {
  readonly batch: Batch;
  /** Of all its trees, with rows counted through the micro-batch. */
  readonly pairs: readonly Pair[];
}

const treePack = (source: WeightSource, trees: readonly TokenTree[]): TreePack => {
  const lengths = trees.map(({ layout }) => layout.length);
  const prefix = areTurnedAlike(source, lengths)
    ? commonPrefix(trees.map(({ ids, prompt }) => ids.slice(0, prompt)))
    : 0;
  const layouts = trees.map(({ layout }) => paddedLayout(layout, prefix));
  const ids = trees[0]!.ids.slice(0, prefix);
  const pairs: Pair[] = [];
  trees.forEach((tree, i) => {
    // A shared prefix leaves each prompt its last token, so what predicts is never in it.
    const first = ids.length - prefix;
    for (const { row, token } of tree.pairs.flat()) pairs.push({ row: first + row, token });
    ids.push(...tree.ids.slice(prefix));
    padTo(ids, first + prefix + layouts[i]!.tokens);
  });
  const idle = idleRows(ids.length);
  padTo(ids, ids.length + idle);
  const context = makeBatchContext(source, layouts, source.activationDtype, prefix, idle);
  return { batch: batchOf(ids, context, { prefix, lengths: trees.map((tree) => tree.ids.length) }), pairs };
};

/**
 * What follows the prefix, padded to a multiple of `LENGTH_STEP`: few shapes occur, each of which has kernels of its own.
 * Padding sees itself alone, and nothing sees it.
 */
const paddedLayout = (
  { tokens, positions, visible, length }: TokenTree['layout'],
  prefix: number,
): SequenceLayout => {
  const own = tokens - prefix;
  return {
    length,
    tokens: paddedTo([own]),
    positions: positions?.slice(prefix),
    visible: (query, key) =>
      query < own && key < own ? visible!(query + prefix, key + prefix) : query === key,
  };
};

/** `hidden` and `pairs` by micro-batch. Each row's logits are made once, however many tokens are asked of it. */
const logProbsOf = (
  source: WeightSource,
  hidden: readonly Tensor[],
  pairsOf: readonly (readonly Pair[])[],
): Float64Array =>
  tidy(() => {
    const pairs: Pair[] = []; // rows counted through those that are asked
    let total = 0;
    const asked = pairsOf.map((some, i) => {
      const rows = [...new Set(some.map(({ row }) => row))].sort((a, b) => a - b);
      const places = new Map(rows.map((row, k) => [row, total + k]));
      for (const { row, token } of some) pairs.push({ row: places.get(row)!, token });
      total += rows.length;
      return gatherRows(hidden[i]!, Int32Array.from(rows));
    });
    const own = concat(asked, 0);
    const vocabulary = source.config.vocabSize;
    const result = new Float64Array(pairs.length);
    source.withHead((head) => {
      for (const { first, count } of slices(total, rowsPerSlice(source, DEFAULT_SLICE_BYTES))) {
        const inside = pairs.flatMap(({ row }, i) => (row >= first && row < first + count ? [i] : []));
        const flat = inside.map((i) => (pairs[i]!.row - first) * vocabulary + pairs[i]!.token);
        const found = tidy(() => {
          const part = slice(own, [first, 0], [count, source.config.hiddenSize]);
          const all = reshape(logSoftmax(logitsOf(source, part, head)), [-1]);
          return toFloat64Array(gather(all, tensor(Int32Array.from(flat), [flat.length], 'i32'), 0));
        });
        inside.forEach((i, k) => (result[i] = found[k]!));
      }
    });
    return result;
  });

const sums = (trees: readonly TokenTree[], logProbs: Float64Array): number[][] => {
  let at = 0;
  return trees.map(({ pairs }) =>
    pairs.map((own) => {
      const sum = logProbs.subarray(at, at + own.length).reduce((a, b) => a + b, 0);
      at += own.length;
      return sum;
    }),
  );
};
