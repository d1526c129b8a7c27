import { expect, test } from 'vitest';
import { contract } from '../testing/echo.ts';
import { loadPackage, messageCodec, serviceOf } from './index.ts';

test('a package is loaded once, with its services and what the contract says of each call', () => {
  expect(loadPackage(contract.package)).toBe(loadPackage(contract.package));
  const service = serviceOf(contract.package, contract.service);
  expect(service.name).toBe('emloc.test.v1.EchoService');
  const kinds = [...service.methods.values()].map((m) => [
    m.name,
    m.requestStream,
    m.responseStream,
    m.idempotent,
  ]);
  expect(kinds).toEqual([
    ['echo', false, false, true],
    ['change', false, false, false],
    ['count', false, true, true],
    ['collect', true, false, false],
    ['chat', true, true, false],
  ]);
});

test('messages are encoded without a call, nested ones by their full name, bytes as views', () => {
  const codec = messageCodec('emloc.test.v1.EchoRequest');
  const bytes = codec.encode({ opened: { value: 3 }, ratio: 0, labels: { a: 'b' } });
  expect(codec.decode(bytes)).toMatchObject({
    step: 'opened',
    opened: { value: 3 },
    ratio: 0,
    labels: { a: 'b' },
  });
  const chunk = codec.encode({ chunk: Buffer.alloc(1000, 1) });
  expect(codec.decode<{ chunk: Buffer }>(chunk).chunk.buffer).toBe(chunk.buffer);
});

test('what the contracts do not have is named', () => {
  expect(() => loadPackage('emloc.nothing.v1')).toThrow(/no contract for the package emloc.nothing.v1/);
  expect(() => serviceOf(contract.package, 'NoService')).toThrow(/has no service NoService/);
  expect(() => messageCodec('emloc.test.v1.NoMessage')).toThrow(/no message/);
});
