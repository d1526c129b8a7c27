/** An authority and certificates for localhost, made by openssl for one test. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Certificates {
  readonly ca: string;
  pair(name: string): { readonly cert: string; readonly key: string };
}

export function makeCertificates(): Certificates {
  const directory = temporaryDirectory();
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  return {
    ca: at('ca.pem'),
    pair: (name) => {
      const [own, request, cert] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.pem`)];
      writeFileSync(at('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
      openssl('req', ...key, '-keyout', own, '-out', request, '-subj', `/CN=${name}`);
      const signed = [
        '-CA',
        at('ca.pem'),
        '-CAkey',
        at('ca.key'),
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        at('san'),
      ];
      openssl('x509', '-req', '-in', request, '-out', cert, ...signed);
      return { cert, key: own };
    },
  };
}
