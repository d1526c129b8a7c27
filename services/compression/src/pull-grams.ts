/**
 * Pulls Grams from calibration services for the process of a compression, as fast as that reads them, and hands the
 * serialized messages on unparsed. Several shards are pulled in step, so that none is ahead of the others by more than a
 * message; each message is then preceded by a byte that says whose it is.
 */
import { EmlocError } from '@emloc/errors';
import { connect, runWithTraceparent, type Logger, type MeshConfig } from '@emloc/mesh';
import type { KindOptions } from '@emloc/operations';
import type { CompressionRequest } from './requests.ts';

interface CalibrationClient {
  calibrate(request: object, options?: { signal?: AbortSignal }): AsyncIterable<object>;
}

export function pullGrams(config: MeshConfig, logger: Logger): NonNullable<KindOptions['input']> {
  return ({ request, traceparent }, signal) => {
    const { statistics, memoryBudgetBytes } = request as CompressionRequest;
    if (statistics.kind !== 'stream') return nothing();
    const { message } = statistics;
    const addresses =
      statistics.addresses.length === 0 ? [config.addresses.calibration] : statistics.addresses;
    const connections = addresses.map((address) =>
      connect<CalibrationClient>({
        address,
        package: 'emloc.calibration.v1',
        service: 'CalibrationService',
        tls: config.tls,
        logger,
      }),
    );
    const streams = connections.map(({ raw }, shardIndex) => {
      const options = { ...message.options, shardIndex, shardCount: addresses.length };
      return runWithTraceparent(traceparent, () =>
        raw.calibrate({ ...message, options, memoryBudgetBytes }, { signal }),
      );
    });
    return ended(streams.length === 1 ? (streams[0] as AsyncIterable<Buffer>) : inStep(streams), () => {
      for (const connection of connections) connection.close();
    });
  };
}

async function* nothing(): AsyncGenerator<Buffer> {}

async function* ended(frames: AsyncIterable<Buffer>, end: () => void): AsyncGenerator<Buffer> {
  try {
    yield* frames;
  } finally {
    end();
  }
}

/** Shards of one model send the same messages but for the numbers in them. */
async function* inStep(streams: readonly AsyncIterable<Buffer>[]): AsyncGenerator<Buffer> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  try {
    for (;;) {
      const round = await Promise.all(iterators.map((iterator) => iterator.next()));
      const open = round.filter(({ done }) => done !== true).length;
      if (open === 0) return;
      if (open < round.length) throw differ();
      for (const [shard, next] of round.entries()) {
        yield Buffer.concat([Buffer.of(shard), next.value as Buffer]);
      }
    }
  } finally {
    await Promise.allSettled(iterators.map((iterator) => iterator.return?.(undefined)));
  }
}

const differ = (): EmlocError =>
  new EmlocError('FAILED_PRECONDITION', 'SHARDS_DIFFER', 'one calibration service sent more than another', {
    field: 'statistics.calibration.addresses',
    mend: 'use services that see the same model, of the same version',
  });
