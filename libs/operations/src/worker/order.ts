/** What a service tells the process it starts, in its environment and over IPC. */
import { EmlocError } from '@emloc/errors';
import type { StopMode } from '../types.ts';

export const orderVariable = 'EMLOC_WORKER';

interface Common {
  readonly parentPid: number;
}
export interface OperationOrder extends Common {
  readonly mode: 'operation';
  readonly id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly directory: string;
  readonly leasePath: string;
}
export interface WarmOrder extends Common {
  readonly mode: 'warm';
}
export type Order = OperationOrder | WarmOrder;

/** Over IPC; `call` is the number of a warm process's call. */
export interface StopMessage {
  readonly stop: StopMode;
  readonly call?: number;
}

/** Opens a warm process's call. */
export interface CallOrder {
  readonly call: number;
  readonly kind: string;
  readonly request: unknown;
  readonly traceparent?: string;
}

/** A process whose lease is lost ends by this signal: nobody else sends it, so that its owner knows why. */
export const leaseLostSignal = 'SIGUSR2';

/** A process that cannot even write down its error, for the disk is full, ends with this (EX_IOERR). */
export const diskFullExitCode = 74;

export function stopReason(mode: StopMode): EmlocError {
  switch (mode) {
    case 'cancel':
      return new EmlocError('CANCELLED', 'OPERATION_CANCELLED', 'the operation was cancelled');
    case 'pause':
      return new EmlocError('CANCELLED', 'OPERATION_PAUSED', 'the operation was paused', {
        mend: 'resume it',
      });
    case 'release':
      return new EmlocError(
        'CANCELLED',
        'OPERATION_RELEASED',
        'the service is going down; the operation goes on elsewhere',
      );
  }
}

export const stateAfter = { cancel: 'CANCELLED', pause: 'PAUSED', release: 'QUEUED' } as const;

export function readOrder(): Order {
  const text = process.env[orderVariable];
  if (text === undefined) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'NOT_A_WORKER',
      'this file is run by its service, not by hand',
      {
        mend: 'start the service, and the operation through it',
      },
    );
  }
  // Not for the processes that the work itself may start.
  delete process.env[orderVariable];
  return JSON.parse(text) as Order;
}
