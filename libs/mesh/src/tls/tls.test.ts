import { spawnSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import type { CallContext } from '../server/index.ts';
import { makeCertificates } from '../testing/certificates.ts';
import { callEcho, serveEcho } from '../testing/echo.ts';
import type { TlsFiles } from './credentials.ts';

/** Certificates are made by openssl, which is not everywhere. */
const withOpenssl = spawnSync('openssl', ['version']).status === 0 ? test : test.skip;
if (spawnSync('openssl', ['version']).status !== 0)
  console.warn('openssl is not installed: TLS is not tested');

async function serve(tls: TlsFiles) {
  const server = await serveEcho(
    { echo: (_: unknown, call: CallContext) => ({ request: { text: call.identity ?? '' } }) },
    {
      tls,
      address: 'localhost:0',
      authorize: (call) => {
        if (call.identity === 'mallory')
          throw new EmlocError('PERMISSION_DENIED', 'NOT_ALLOWED', 'not allowed');
      },
    },
  );
  onTestFinished(() => server.stop());
  return (clientTls?: TlsFiles) => {
    const echo = callEcho(server.address, { tls: clientTls, retry: { attempts: 1 }, deadlineMs: 3000 });
    onTestFinished(() => echo.close());
    return echo.call.echo({});
  };
}

withOpenssl('a server with TLS is called with its authority, and only so', async () => {
  const { ca, pair } = makeCertificates();
  const call = await serve(pair('server'));
  expect((await call({ ca })).request?.text).toBe('');
  await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(call({})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

withOpenssl(
  'with mutual TLS the handler knows who calls, strangers do not come in, and authorize decides',
  async () => {
    const { ca, pair } = makeCertificates();
    const call = await serve({ ca, ...pair('server'), requireClientCertificate: true });
    expect((await call({ ca, ...pair('coordinator') })).request?.text).toBe('coordinator');
    await expect(call({ ca })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(call({ ca, ...makeCertificates().pair('stranger') })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await expect(call({ ca, ...pair('mallory') })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      reason: 'NOT_ALLOWED',
    });
  },
);

test('a certificate that cannot be read, or lacks its key, is refused at the start', async () => {
  const missing = serveEcho({}, { tls: { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' } });
  await expect(missing).rejects.toMatchObject({ reason: 'TLS_FILE_UNREADABLE', value: '/nowhere/cert.pem' });
  await expect(serveEcho({}, { tls: { ca: '/nowhere/ca.pem' } })).rejects.toMatchObject({
    reason: 'TLS_INCOMPLETE',
  });
});
