/**
 * Where a model's weights come from. `resident`: mapped once, until closed. `streamed`: mapped for the time a layer is
 * used, then unmapped, so that at most one layer is in memory. Matrices that the processor cannot multiply as they are
 * stored are converted for the time of a visit only, so neither way ever holds a converted model.
 */
import { EmlocError } from '@emloc/errors';
import { halfPrecision } from '@emloc/engine';
import type {
  ComputeDType,
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
}

export const openWeights = (model: ModelDirectory, options: OpenWeightsOptions): WeightSource => {
  const computeDtype = options.computeDtype ?? (model.config.dtype === 'bf16' ? 'bf16' : 'f32');
  return new MappedSource(model, options.mode, computeDtype);
};

class MappedSource implements WeightSource {
  readonly config;
  readonly architecture;
  readonly mode;
  readonly computeDtype;
  readonly activationDtype;
  readonly #model: ModelDirectory;
  #resident: MappedTensors | undefined;
  #closed = false;

  constructor(model: ModelDirectory, mode: 'resident' | 'streamed', computeDtype: ComputeDType) {
    this.#model = model;
    this.config = model.config;
    this.architecture = model.architecture;
    this.mode = mode;
    this.computeDtype = computeDtype;
    this.activationDtype = computeDtype === 'f64' ? ('f64' as const) : ('f32' as const);
  }

  withLayer<T>(index: number, use: (weights: LayerWeights) => T): T {
    return this.#visit((name) => this.architecture.moduleName(index, name), use);
  }

  withHead<T>(use: (weights: HeadWeights) => T): T {
    const { embedding, head } = this.architecture.tensorNames;
    const matrix = this.config.tieWordEmbeddings ? embedding : head;
    return this.#visit(whole, (visit) =>
      use({
        tensor: (name) => visit.tensor(name),
        stored: (name) => visit.stored(name),
        head: visit.stored(matrix),
      }),
    );
  }

  withEmbedding<T>(use: (weights: NamedTensors) => T): T {
    return this.#visit(whole, use);
  }

  close(): void {
    this.#closed = true;
    this.#resident?.close();
    this.#resident = undefined;
  }

  /** Asked for at each visit, since what the processor can do is known once the engine is started. */
  #types(): VisitTypes {
    return { matrix: multipliedIn(this.computeDtype), activation: this.activationDtype };
  }

  #visit<T>(fullName: (name: string) => string, use: (visit: Visit) => T): T {
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
    const visit = new Visit(mapped, fullName, this.#types());
    try {
      mapped.checkFiles();
      return use(visit);
    } finally {
      visit.end();
      if (streamed) mapped.close();
    }
  }
}

const whole = (name: string): string => name;

/** Where the processor has no bf16 arithmetic, weights are multiplied as the f32 numbers that they stand for. */
const multipliedIn = (computeDtype: ComputeDType): ComputeDType =>
  computeDtype === 'bf16' && halfPrecision() === 'cast' ? 'f32' : computeDtype;
