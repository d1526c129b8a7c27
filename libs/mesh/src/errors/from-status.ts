/** A failed call back into the error that was thrown at the other end: the one place where errors come in. */
import { status as Code, type ServiceError } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '../contracts/message-codec.ts';
import { nameOf } from './codes.ts';
import { detailsKey, type StatusMessage } from './to-status.ts';

interface ErrorInfo {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}
interface BadRequest {
  readonly fieldViolations: readonly { readonly field: string }[];
}
interface Help {
  readonly links: readonly { readonly description: string }[];
}

/** A `google.rpc.Status` that a message holds, as the error it stands for. */
export function fromStatusMessage(status: StatusMessage, cause?: unknown): EmlocError {
  const info = detail<ErrorInfo>(status, 'google.rpc.ErrorInfo');
  const { value, ...metadata } = info?.metadata ?? {};
  return new EmlocError(nameOf(status.code), info?.reason ?? nameOf(status.code), status.message, {
    field: detail<BadRequest>(status, 'google.rpc.BadRequest')?.fieldViolations[0]?.field,
    value,
    mend: detail<Help>(status, 'google.rpc.Help')?.links[0]?.description,
    metadata,
    cause,
  });
}

/** What grpc-js rejects a call with; where no details came, what gRPC itself has to say about `address`. */
export function fromStatus(error: ServiceError, address: string): EmlocError {
  const bytes = error.metadata?.get(detailsKey)[0];
  if (!Buffer.isBuffer(bytes)) return fromTransport(error, address);
  try {
    return fromStatusMessage(messageCodec('google.rpc.Status').decode<StatusMessage>(bytes), error);
  } catch {
    // Details that cannot be read, from a server of another make: the bare status has to do.
    return fromTransport(error, address);
  }
}

function fromTransport(error: ServiceError, address: string): EmlocError {
  const details = { value: address, cause: error };
  switch (error.code) {
    case Code.UNAVAILABLE:
      return new EmlocError(
        'UNAVAILABLE',
        'SERVICE_UNREACHABLE',
        `${address} is not reachable: ${error.details}`,
        {
          ...details,
          mend: 'check that the service runs there and that the address, and TLS or not, are right',
        },
      );
    case Code.DEADLINE_EXCEEDED:
      return new EmlocError('DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', `${address} did not answer in time`, {
        ...details,
        mend: 'try again, or give the call a longer deadline',
      });
    case Code.CANCELLED:
      return new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the call was cancelled', details);
    case Code.UNIMPLEMENTED:
      return new EmlocError(
        'UNIMPLEMENTED',
        'RPC_NOT_FOUND',
        `${address} does not serve this call: ${error.details}`,
        {
          ...details,
          mend: 'check that the address is that of the right service and of the same version',
        },
      );
    default:
      return new EmlocError(nameOf(error.code), nameOf(error.code), error.details || error.message, details);
  }
}

function detail<T extends object>(status: StatusMessage, type: string): T | undefined {
  const found = status.details.find((any) => any.type_url.endsWith(`/${type}`));
  return found === undefined ? undefined : messageCodec(type).decode<T>(found.value);
}
