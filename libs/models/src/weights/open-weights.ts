/**
 * Where a model's weights come from. `resident`: mapped once, until closed. `streamed`: mapped for the time a layer is
 * used, then unmapped, so that at most one layer is in memory. Matrices that the processor cannot multiply as they are
 * stored are converted for the time of a visit only, so neither way holds a converted model, unless it is asked to:
 * `keepConverted` is for generation, which visits every layer for each token.
 */
import { EmlocError } from '@emloc/errors';
import { halfPrecision, slice, tidy, type Tensor } from '@emloc/engine';
import type {
  ComputeDType,
  EmbeddingWeights,
  HeadWeights,
  LayerWeights,
  ModelDirectory,
  NamedTensors,
  WeightSource,
} from '../types.ts';
import { MappedTensors } from './mapped-tensors.ts';
import { Visit, type VisitTypes } from './visit.ts';

export interface OpenWeightsOptions {
  readonly mode: 'resident' | 'streamed';
  /** Default: bf16 where the checkpoint is bf16, else f32 (f16 too: its range is too small to train in). */
  readonly computeDtype?: ComputeDType;
  /** Resident only: what was converted once stays so until closed. Default: no. */
  readonly keepConverted?: boolean;
}

export const openWeights = (model: ModelDirectory, options: OpenWeightsOptions): WeightSource => {
  const computeDtype = options.computeDtype ?? (model.config.dtype === 'bf16' ? 'bf16' : 'f32');
  const keepsConverted = options.mode === 'resident' && options.keepConverted === true;
  return new MappedSource(model, options.mode, computeDtype, keepsConverted);
};

class MappedSource implements WeightSource {
  readonly config;
  readonly architecture;
  readonly mode;
  readonly computeDtype;
  readonly activationDtype;
  readonly #model: ModelDirectory;
  #resident: MappedTensors | undefined;
  /** By what they are of; undefined: each ends with its use. */
  readonly #kept: Map<string, Visit> | undefined;
  #closed = false;

  constructor(
    model: ModelDirectory,
    mode: 'resident' | 'streamed',
    computeDtype: ComputeDType,
    keepsConverted: boolean,
  ) {
    this.#model = model;
    this.config = model.config;
    this.architecture = model.architecture;
    this.mode = mode;
    this.computeDtype = computeDtype;
    this.activationDtype = computeDtype === 'f64' ? ('f64' as const) : ('f32' as const);
    this.#kept = keepsConverted ? new Map<string, Visit>() : undefined;
  }

  withLayer<T>(index: number, use: (weights: LayerWeights) => T): T {
    return this.#visit(`layer ${index}`, (name) => this.architecture.moduleName(index, name), use);
  }

  withHead<T>(use: (weights: HeadWeights) => T): T {
    const { embedding, head } = this.architecture.tensorNames;
    const matrix = this.config.tieWordEmbeddings ? embedding : head;
    return this.#visit('ends', whole, (visit) => {
      const ownMatrix = (): Tensor =>
        this.#kept === undefined ? visit.stored(matrix) : visit.multiplied(matrix);
      return use({
        ...named(visit),
        get head() {
          return ownMatrix();
        },
        dtype: this.#kept === undefined ? this.#model.tensors.get(matrix)!.dtype : ownMatrix().dtype,
        streamed: this.mode === 'streamed',
        part: (first, count, useRows) =>
          this.mode === 'streamed'
            ? visit.withRows(matrix, first, count, useRows)
            : tidy(() => useRows(slice(ownMatrix(), [first, 0], [count, -1]))),
      });
    });
  }

  withEmbedding<T>(use: (weights: EmbeddingWeights) => T): T {
    const { computeDtype } = this;
    return this.#visit('ends', whole, (visit) => use({ ...named(visit), computeDtype }));
  }

  close(): void {
    this.#closed = true;
    this.#kept?.forEach((visit) => visit.end());
    this.#kept?.clear();
    this.#resident?.close();
    this.#resident = undefined;
  }

  /** Asked for at each visit, since what the processor can do is known once the engine is started. */
  #types(): VisitTypes {
    return { matrix: multipliedIn(this.computeDtype), activation: this.activationDtype };
  }

  #visit<T>(of: string, fullName: (name: string) => string, use: (visit: Visit) => T): T {
    if (this.#closed)
      throw new EmlocError(
        'FAILED_PRECONDITION',
        'WEIGHTS_CLOSED',
        `the weights of ${this.#model.dir} are closed`,
      );
    const streamed = this.mode === 'streamed';
    const mapped = streamed
      ? new MappedTensors(this.#model)
      : (this.#resident ??= new MappedTensors(this.#model));
    const visit = this.#kept?.get(of) ?? new Visit(mapped, fullName, this.#types(), this.#kept !== undefined);
    this.#kept?.set(of, visit);
    try {
      mapped.checkFiles();
      return use(visit);
    } finally {
      if (this.#kept === undefined) visit.end();
      if (streamed) mapped.close();
    }
  }
}

const named = (visit: Visit): NamedTensors => ({
  tensor: (name) => visit.tensor(name),
  stored: (name) => visit.stored(name),
});

const whole = (name: string): string => name;

/** Where the processor has no bf16 arithmetic, weights are multiplied as the f32 numbers that they stand for. */
const multipliedIn = (computeDtype: ComputeDType): ComputeDType =>
  computeDtype === 'bf16' && halfPrecision() === 'cast' ? 'f32' : computeDtype;
