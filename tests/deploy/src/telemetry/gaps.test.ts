import { expect, test } from 'vitest';
import { gapsIn, type ZipkinSpan } from './gaps.ts';

const span = (name: string, fromSeconds: number, toSeconds: number): ZipkinSpan => ({
  traceId: 't',
  id: name,
  name,
  timestamp: fromSeconds * 1e6,
  duration: (toSeconds - fromSeconds) * 1e6,
  localEndpoint: { serviceName: 's' },
});

test('what only holds other spans explains nothing; spans beside each other and before the whole count', () => {
  const job = span('job', 10, 30);
  const trace = [
    job,
    span('stage train', 10, 30),
    span('emloc.operation.v1.operationservice/watchoperation', 10, 30),
    span('queue job', 8, 11),
    span('start process', 11, 14),
    span('prepare', 12, 13),
    span('training steps', 16, 29),
  ];
  expect(gapsIn(trace, job)).toEqual([
    { seconds: 2, after: 's: start process', before: 's: training steps' },
    { seconds: 1, after: 's: training steps', before: 'the end' },
  ]);
});
