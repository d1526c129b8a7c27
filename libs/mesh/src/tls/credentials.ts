/** TLS from files: servers show a certificate, clients check it; with `requireClientCertificate` both do. */
import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';

export interface TlsFiles {
  /** PEM of the authorities that the other side's certificate must come from; default: the system's. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Server: refuse callers without a certificate signed by `ca`. */
  readonly requireClientCertificate?: boolean;
  /** Client: the name the server's certificate must hold, where it differs from the address. */
  readonly serverName?: string;
}

export function serverCredentials(tls: TlsFiles | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { cert, key } = tls;
  if (cert === undefined || key === undefined) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'TLS_INCOMPLETE',
      'a server with TLS needs a certificate and its key',
      {
        field: cert === undefined ? 'EMLOC_TLS_CERT' : 'EMLOC_TLS_KEY',
        mend: 'name the PEM files',
      },
    );
  }
  if (tls.requireClientCertificate === true && tls.ca === undefined) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'TLS_INCOMPLETE',
      'mutual TLS needs the authority of the callers',
      {
        field: 'EMLOC_TLS_CA',
        mend: 'name the PEM file of the authority that signs client certificates',
      },
    );
  }
  const pair = { cert_chain: read(cert), private_key: read(key) };
  return ServerCredentials.createSsl(
    tls.ca === undefined ? null : read(tls.ca),
    [pair],
    tls.requireClientCertificate ?? false,
  );
}

export function clientCredentials(tls: TlsFiles | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  const own = tls.cert !== undefined && tls.key !== undefined;
  return ChannelCredentials.createSsl(
    tls.ca === undefined ? null : read(tls.ca),
    own ? read(tls.key ?? '') : null,
    own ? read(tls.cert ?? '') : null,
  );
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const error = EmlocError.from(cause);
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'TLS_FILE_UNREADABLE',
      `cannot read the TLS file: ${error.message}`,
      {
        field: 'EMLOC_TLS_*',
        value: path,
        mend: 'check the path and its permissions',
        cause,
      },
    );
  }
}
