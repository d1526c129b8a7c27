import { expect, test, vi } from 'vitest';
import { messageCodec } from '@emloc/mesh/contracts';
import { pieces } from './call-pieces.ts';

const codec = messageCodec('emloc.compression.v1.CompressRequest');
const options = codec.encode({ options: { rank: 1 } });
const frame = codec.encode({ frame: { chunk: { data: Buffer.from('x') } } });
const end = codec.encode({ end: {} });

async function* stream(...messages: Buffer[]): AsyncGenerator<Buffer> {
  yield* messages;
}

async function cut(...messages: Buffer[]): Promise<number[]> {
  const lengths: number[] = [];
  for await (const piece of pieces(stream(...messages))) {
    let length = 0;
    for await (const _ of piece) length += 1;
    lengths.push(length);
  }
  return lengths;
}

test('a stream is cut where a piece ends, without being parsed', async () => {
  expect(await cut(options, frame, frame, end, options, end)).toEqual([4, 2]);
  expect(await cut()).toEqual([]);
});

test.each([
  ['frames before options', [frame], 'options'],
  ['options inside a piece', [options, frame, options], 'options'],
  ['a piece cut short', [options, frame], 'end'],
])('%s is refused', async (_, messages, field) => {
  await expect(cut(...messages)).rejects.toMatchObject({ reason: 'STREAM_ORDER', field });
});

test('a client that falls silent inside a piece does not hold the worker for ever', async () => {
  vi.useFakeTimers();
  const silent = (async function* () {
    yield options;
    await new Promise(() => {});
  })();
  const reading = (async () => {
    for await (const piece of pieces(silent)) for await (const _ of piece);
  })();
  const refused = expect(reading).rejects.toMatchObject({ reason: 'STREAM_TOO_SLOW' });
  await vi.advanceTimersByTimeAsync(31_000);
  vi.useRealTimers();
  await refused;
});
