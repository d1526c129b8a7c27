/** gRPC's numbers and our names for the same codes. */
import { status } from '@grpc/grpc-js';
import type { ErrorCode } from '@emloc/errors';

export function numberOf(code: ErrorCode): status {
  return status[code];
}

/** Codes that we never throw come from elsewhere (proxies, other languages): they are INTERNAL to us. */
export function nameOf(code: number): ErrorCode {
  const name = status[code];
  return name === undefined || name === 'OK' || name === 'UNKNOWN' ? 'INTERNAL' : (name as ErrorCode);
}
