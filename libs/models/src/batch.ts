/**
 * Token rows as a micro-batch: ids one after the other without padding, the attention blocks and rotary tables that go
 * with them, and which rows predict which labels.
 */
import { keep, tensor, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { causalMask, maskOf } from './layers/mask.ts';
import { ropeFrequencies, ropeTables } from './layers/rope.ts';
import type { AttentionBlock, Batch, BatchContext, ModelConfig, TokenRow } from './types.ts';

/** Labels of tokens that carry no loss. */
export const IGNORED_LABEL = -100;

/** Above this many tokens a causal mask is not made whole (4 MiB in f32 here). */
const LONGEST_WHOLE_MASK = 1024;

/** One sequence as attention sees it; plain causal text needs only its length. */
export interface SequenceLayout {
  readonly tokens: number;
  /** Default 0, 1, 2, … */
  readonly positions?: readonly number[];
  /** May query i see key j? Default: j ≤ i. */
  readonly visible?: (query: number, key: number) => boolean;
}

/** Consecutive causal sequences of one length become one block; causal masks of one length are shared. */
export const makeBatchContext = (
  config: ModelConfig,
  sequences: readonly SequenceLayout[],
  dtype: 'f32' | 'f64' = 'f32',
): BatchContext => {
  const owned: Tensor[] = [];
  const own = (t: Tensor): Tensor => {
    owned.push(keep(t));
    return t;
  };
  const causal = new Map<number, Tensor>();
  const maskFor = ({ tokens, visible }: SequenceLayout): Tensor | undefined => {
    if (visible !== undefined) return own(maskOf(tokens, visible, dtype));
    if (tokens > LONGEST_WHOLE_MASK) return undefined;
    let mask = causal.get(tokens);
    if (mask === undefined) causal.set(tokens, (mask = own(causalMask(tokens, dtype))));
    return mask;
  };

  const blocks: AttentionBlock[] = [];
  const positions: number[] = [];
  for (const sequence of sequences) {
    const last = blocks.at(-1);
    const mask = maskFor(sequence);
    if (last !== undefined && last.tokens === sequence.tokens && last.mask === mask)
      blocks[blocks.length - 1] = { ...last, sequences: last.sequences + 1 };
    else blocks.push({ firstRow: positions.length, sequences: 1, tokens: sequence.tokens, mask });
    for (let t = 0; t < sequence.tokens; t++) positions.push(sequence.positions?.[t] ?? t);
  }

  const frequencies = ropeFrequencies(config.rope, config.headDim);
  const queryRope = ropeTables(frequencies, positions, 1 / Math.sqrt(config.headDim), dtype);
  const keyRope = ropeTables(frequencies, positions, 1, dtype);
  for (const t of [queryRope.cos, queryRope.sin, keyRope.cos, keyRope.sin]) own(t);
  return {
    rows: positions.length,
    blocks,
    queryRope,
    keyRope,
    dispose: () => owned.forEach((t) => t.dispose()),
  };
};

/** Checks the rows against the model and makes a micro-batch of them; the caller disposes it. */
export const prepareBatch = (
  config: ModelConfig,
  rows: readonly TokenRow[],
  dtype: 'f32' | 'f64' = 'f32',
): Batch => {
  rows.forEach((row, i) => checkRow(config, row, i));
  const [targetRows, labels]: [number[], number[]] = [[], []];
  const labelCounts: number[] = [];
  let first = 0;
  for (const { inputIds, labels: own } of rows) {
    const before = labels.length;
    for (let t = 1; own !== undefined && t < inputIds.length; t++) {
      const label = own[t]!;
      if (label === IGNORED_LABEL) continue;
      targetRows.push(first + t - 1);
      labels.push(label);
    }
    labelCounts.push(labels.length - before);
    first += inputIds.length;
  }
  const context = makeBatchContext(
    config,
    rows.map(({ inputIds }) => ({ tokens: inputIds.length })),
    dtype,
  );
  const ids = keep(tensor(Int32Array.from(rows.flatMap((row) => [...row.inputIds])), [first], 'i32'));
  return {
    ids,
    context,
    targets: { rows: Int32Array.from(targetRows), labels: Int32Array.from(labels) },
    rows: first,
    lengths: rows.map(({ inputIds }) => inputIds.length),
    labelCounts,
    dispose: () => {
      ids.dispose();
      context.dispose();
    },
  };
};

const checkRow = (config: ModelConfig, { inputIds, labels }: TokenRow, index: number): void => {
  const fail = (reason: string, message: string, value: number, mend: string): never => {
    throw new EmlocError('INVALID_ARGUMENT', reason, message, {
      field: `row ${index}`,
      value: String(value),
      mend,
    });
  };
  if (inputIds.length === 0) fail('EMPTY_ROW', 'a row has no tokens', 0, 'remove it');
  if (inputIds.length > config.maxPositionEmbeddings)
    fail(
      'SEQUENCE_TOO_LONG',
      `a row has ${inputIds.length} tokens, but the model takes ${config.maxPositionEmbeddings}`,
      inputIds.length,
      'shorten it, or set a maximum length',
    );
  if (labels !== undefined && labels.length !== inputIds.length)
    fail(
      'LABELS_LENGTH',
      `a row has ${inputIds.length} tokens but ${labels.length} labels`,
      labels.length,
      'give one label a token, -100 where there is no loss',
    );
  const known = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < config.vocabSize;
  const beyond = (what: string, id: number): never =>
    fail(
      'TOKEN_OUT_OF_RANGE',
      `${what} ${id} is not in the model's vocabulary of ${config.vocabSize}`,
      id,
      'tokenize with the tokenizer of this model',
    );
  for (const id of inputIds) if (!known(id)) beyond('token id', id);
  for (const label of labels ?? []) if (label !== IGNORED_LABEL && !known(label)) beyond('label', label);
};
