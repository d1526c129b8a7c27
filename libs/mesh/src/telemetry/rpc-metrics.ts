/** The golden signals of calls, by OpenTelemetry's semantic conventions for RPC, and the bytes of streams. */
import { counter, histogram } from './metrics.ts';

type Side = 'client' | 'server';
/** Seen from this process. */
export type Direction = 'transmit' | 'receive';

/** Looking things up takes milliseconds; streams and plans take minutes. */
const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

const durations = {
  server: histogram('rpc.server.call.duration', {
    unit: 's',
    description: 'Duration of calls served, by method and status code.',
    buckets,
  }),
  client: histogram('rpc.client.call.duration', {
    unit: 's',
    description: 'Duration of calls made, retries included, by method and status code.',
    buckets,
  }),
};
const streamed = counter('emloc.stream.io', {
  unit: 'By',
  description: 'Bytes of serialized messages in streams that pass unparsed: tensors.',
});
const retries = counter('emloc.rpc.client.retries', {
  unit: '{retry}',
  description: 'Calls tried again because their service was away.',
});

export interface CallEnd {
  readonly side: Side;
  /** `package.Service/Method`. */
  readonly method: string;
  /** Such as OK or NOT_FOUND. */
  readonly status: string;
  readonly seconds: number;
  readonly bytes: Readonly<Record<Direction, number>>;
}

export function recordCall({ side, method, status, seconds, bytes }: CallEnd): void {
  const about = { 'rpc.system.name': 'grpc', 'rpc.method': method };
  const failed = status === 'OK' ? {} : { 'error.type': status };
  durations[side].record(seconds, { ...about, 'rpc.status_code': status, ...failed });
  // Counted where it is served: each byte once.
  if (side !== 'server') return;
  for (const direction of ['transmit', 'receive'] as const) {
    if (bytes[direction] === 0) continue;
    streamed.add(bytes[direction], { 'rpc.method': method, 'network.io.direction': direction });
  }
}

export const recordRetry = (method: string): void => retries.add(1, { 'rpc.method': method });
