/**
 * An error of ours as a `google.rpc.Status` (AIP-193): the one place where errors leave. Reason and metadata go into
 * ErrorInfo, the field into BadRequest, the mend into Help, a hint to retry into RetryInfo. Stacks and causes stay here.
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '../contracts/message-codec.ts';
import { limits, retryDelayMs } from '../limits.ts';
import { numberOf } from './codes.ts';

export const errorDomain = 'emloc.dev';
export const detailsKey = 'grpc-status-details-bin';

/** `google.rpc.Status` as messages hold it (`Operation.error`). `type_url` is spelt as protobufjs spells it in Any. */
export interface StatusMessage {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type_url: string; readonly value: Buffer }[];
}

export function toStatusMessage(thrown: unknown, traceId?: string): StatusMessage {
  const error = EmlocError.from(thrown);
  const message = error === thrown ? cut(error.message) : foreign(error);
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(error.metadata)) metadata[key] = cut(value);
  if (error.value !== undefined) metadata['value'] = cut(error.value);
  if (traceId !== undefined) metadata['traceId'] = traceId;
  const details = [any('google.rpc.ErrorInfo', { reason: error.reason, domain: errorDomain, metadata })];
  if (error.field !== undefined) {
    const violation = { field: cut(error.field), description: message };
    details.push(any('google.rpc.BadRequest', { fieldViolations: [violation] }));
  }
  if (error.mend !== undefined) {
    details.push(any('google.rpc.Help', { links: [{ description: cut(error.mend), url: '' }] }));
  }
  if (passesByItself(error)) {
    const retryDelay = { seconds: Math.floor(retryDelayMs / 1000), nanos: (retryDelayMs % 1000) * 1e6 };
    details.push(any('google.rpc.RetryInfo', { retryDelay }));
  }
  return { code: numberOf(error.code), message, details };
}

/**
 * Whether the same request can succeed after a wait. Of what is exhausted only a queue empties: a budget, a disk and a
 * limit stay as they are.
 */
const passesByItself = ({ code, reason }: EmlocError): boolean =>
  code === 'UNAVAILABLE' || (code === 'RESOURCE_EXHAUSTED' && reason === 'QUEUE_FULL');

/** What grpc-js ends a call with. */
export function toStatus(thrown: unknown, traceId?: string): StatusObject {
  const message = toStatusMessage(thrown, traceId);
  const metadata = new Metadata();
  metadata.set(detailsKey, messageCodec('google.rpc.Status').encode(message));
  // The same delay for the retries of gRPC itself (gRFC A6), which know no RetryInfo.
  if (passesByItself(EmlocError.from(thrown))) metadata.set('grpc-retry-pushback-ms', String(retryDelayMs));
  return { code: message.code, details: message.message, metadata };
}

/** What was not thrown by us may hold anything: the first line goes out, the rest stays in the log. */
function foreign(error: EmlocError): string {
  if (error.code !== 'INTERNAL') return cut(error.message);
  return cut(`internal error: ${error.message.split('\n')[0] ?? ''}`);
}

const any = (type: string, message: object): { type_url: string; value: Buffer } => ({
  type_url: `type.googleapis.com/${type}`,
  value: messageCodec(type).encode(message),
});

function cut(text: string): string {
  const max = limits.maxErrorTextBytes;
  if (Buffer.byteLength(text) <= max) return text;
  return `${Buffer.from(text)
    .subarray(0, max - 4)
    .toString()
    .replace(/�+$/, '')} …`;
}
