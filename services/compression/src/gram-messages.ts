/** Messages of emloc.calibration.v1 back into the Grams of one layer after the other, summed over shards. */
import { sumGramLayers, type GramLayers, type LayerGrams } from '@emloc/emloc';
import { tensorFromBytes, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '@emloc/mesh/contracts';
import { lap, type MemoryPrediction, type ResourceUsage } from '@emloc/service-kit/worker';
import { TensorAssembler, type TensorFrame } from '@emloc/tensor-stream';

interface CalibrateMessage {
  readonly plan?: {
    readonly gramOf: Readonly<Record<string, string>>;
    readonly modelDigest: string;
    readonly samples: number;
    readonly tokens: number;
    readonly predictedPeakBytes: number;
  };
  readonly frame?: TensorFrame;
  readonly layer?: { readonly layer: number; readonly rows: Readonly<Record<string, number>> };
  readonly finished?: { readonly usage: ResourceUsage | null };
}

/** What the streams said besides their Grams. */
export interface CalibrationSummary {
  samples: number;
  tokens: number;
  prediction?: MemoryPrediction;
  usage?: ResourceUsage;
}

export interface ReceivedGrams {
  readonly layers: GramLayers;
  /** Complete once all layers were consumed. */
  readonly summary: CalibrationSummary;
}

export function receiveGrams(
  input: AsyncIterable<Buffer>,
  shards: number,
  modelDigest: string,
): ReceivedGrams {
  const summary: CalibrationSummary = { samples: 0, tokens: 0 };
  const streams = shards === 1 ? [input] : apart(input, shards);
  const layers = streams.map((stream) => layersOf(stream, modelDigest, summary));
  return { layers: layers.length === 1 ? (layers[0] as GramLayers) : sumGramLayers(layers), summary };
}

async function* layersOf(
  messages: AsyncIterable<Buffer>,
  modelDigest: string,
  summary: CalibrationSummary,
): AsyncGenerator<LayerGrams> {
  const codec = messageCodec('emloc.calibration.v1.CalibrateResponse');
  const assembler = new TensorAssembler();
  let gramOf: ReadonlyMap<string, string> | undefined;
  let grams = new Map<string, Tensor>();
  let receivedBytes = 0;
  try {
    for await (const bytes of messages) {
      receivedBytes += bytes.byteLength;
      const { plan, frame, layer, finished } = codec.decode<CalibrateMessage>(bytes);
      if (plan) {
        assertSameModel(plan.modelDigest, modelDigest);
        gramOf = new Map(Object.entries(plan.gramOf));
        note(summary, plan);
      } else if (frame) {
        const whole = assembler.push(frame);
        if (whole)
          grams.set(whole.info.name, tensorFromBytes(whole.bytes, whole.info.shape, whole.info.dtype));
      } else if (layer && gramOf) {
        lap('receive Gram matrices', { 'emloc.layer': layer.layer, 'emloc.tensor.bytes': receivedBytes });
        receivedBytes = 0;
        yield { layer: layer.layer, grams, gramOf, rows: new Map(Object.entries(layer.rows)) };
        disposeAll(grams);
        grams = new Map();
      } else if (finished) {
        summary.usage = larger(summary.usage, finished.usage ?? undefined);
        return;
      }
    }
  } finally {
    disposeAll(grams);
  }
  throw new EmlocError('UNAVAILABLE', 'CALIBRATION_CUT_SHORT', 'the calibration service broke off', {
    field: 'statistics.calibration',
    mend: 'try again',
  });
}

function note(summary: CalibrationSummary, plan: NonNullable<CalibrateMessage['plan']>): void {
  summary.samples += plan.samples;
  summary.tokens += plan.tokens;
  const { predictedPeakBytes: peakResidentBytes } = plan;
  summary.prediction = larger(summary.prediction, { peakResidentBytes, partsBytes: {} });
}

function larger<T extends { readonly peakResidentBytes: number }>(
  a: T | undefined,
  b: T | undefined,
): T | undefined {
  return a === undefined || (b?.peakResidentBytes ?? 0) > a.peakResidentBytes ? b : a;
}

function assertSameModel(sent: string, own: string): void {
  if (sent === own) return;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'MODEL_MISMATCH',
    'the calibration service sees another model there',
    {
      field: 'model',
      value: sent,
      mend: 'let all services see the same files',
    },
  );
}

function disposeAll(grams: ReadonlyMap<string, Tensor>): void {
  for (const gram of grams.values()) if (!gram.disposed) gram.dispose();
}

/**
 * Messages preceded by the number of their shard, as one stream a shard. They come in step, so what waits for a shard
 * that is not read at the moment stays small.
 */
function apart(input: AsyncIterable<Buffer>, shards: number): AsyncIterable<Buffer>[] {
  const iterator = input[Symbol.asyncIterator]();
  const waiting: Buffer[][] = Array.from({ length: shards }, () => []);
  let over = false;
  let turn: Promise<void> = Promise.resolve();
  const readFor = (shard: number): Promise<void> => {
    const read = async (): Promise<void> => {
      if (over || (waiting[shard] as Buffer[]).length > 0) return;
      const next = await iterator.next();
      if (next.done === true) over = true;
      else (waiting[next.value[0] ?? 0] as Buffer[]).push(next.value.subarray(1));
    };
    turn = turn.then(read);
    return turn;
  };
  return waiting.map(async function* (queue, shard) {
    for (;;) {
      const message = queue.shift();
      if (message !== undefined) yield message;
      else if (over) return;
      else await readFor(shard);
    }
  });
}
