import { EmlocError } from '@emloc/errors';
import { fromStatusMessage, type StatusMessage } from '@emloc/mesh';
import { messageCodec } from '@emloc/mesh/contracts';
import type { Operation } from '@emloc/operations';
import { expect, test } from 'vitest';
import { eventToProto, fromTimestamp, operationToProto, toTimestamp } from './to-proto.ts';

const operation: Operation = {
  id: 'a',
  kind: 'train',
  state: 'RUNNING',
  attempt: 1,
  request: {},
  createdAt: new Date(1_700_000_000_123),
  updatedAt: new Date(1_700_000_001_000),
  cursor: 4,
  lastEvent: { progress: { stage: 'train', step: 0, totalSteps: 9, loss: 0 } },
  directory: '/operations/a',
};

const roundTrip = (message: object): Record<string, never> => {
  const codec = messageCodec('emloc.operation.v1.Operation');
  return codec.decode(codec.encode(message));
};

test('an operation says how far it is, with a loss of 0 as a 0', () => {
  expect(roundTrip(operationToProto(operation))).toMatchObject({
    id: 'a',
    state: 'OPERATION_STATE_RUNNING',
    progress: { step: 0, totalSteps: 9, loss: 0 },
  });
});

test('a result comes with success alone, an error with all that it says with failure alone', () => {
  const result = {
    fromStore: false,
    evaluation: { loss: 1, perplexity: 2.7, rows: 1, tokens: 2, exactMatchRows: 0, tokenAccuracy: 0 },
  };
  expect(roundTrip(operationToProto({ ...operation, state: 'SUCCEEDED', result }))).toMatchObject({
    outcome: 'result',
    result: { evaluation: { loss: 1 } },
  });
  const error = new EmlocError('INVALID_ARGUMENT', 'BAD', 'bad', { field: 'f', value: 'v', mend: 'm' });
  const failed = roundTrip(operationToProto({ ...operation, state: 'FAILED', result, error }));
  expect(failed['result']).toBeUndefined();
  expect(fromStatusMessage(failed['error'] as unknown as StatusMessage)).toMatchObject({
    ...error,
    message: 'bad',
  });
});

test('events keep their cursor, and times their milliseconds', () => {
  const at = new Date(1_700_000_000_987);
  expect(fromTimestamp(toTimestamp(at))).toEqual(at);
  const usage = { peakRssBytes: 5, peakRssAnonBytes: 3, wallMs: 1500 };
  expect(eventToProto({ cursor: 7, at, attempt: 2, state: 'PAUSED', usage })).toMatchObject({
    cursor: 7,
    attempt: 2,
    stateChanged: { state: 'OPERATION_STATE_PAUSED', usage: { peakResidentBytes: 5, wallSeconds: 1.5 } },
  });
});
