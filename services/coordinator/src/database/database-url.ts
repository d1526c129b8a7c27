/**
 * The database's URL from the environment. A password need not stand in a variable, which anybody sees who may look at
 * the process: it, or the whole URL, may lie in a file, as container platforms hand secrets over.
 */
import { readFileSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';

type Environment = Readonly<Record<string, string | undefined>>;

const urlName = 'EMLOC_DATABASE_URL';
const urlFileName = 'EMLOC_DATABASE_URL_FILE';
const passwordFileName = 'EMLOC_DATABASE_PASSWORD_FILE';

/** undefined: none is named, so the embedded database is used. Errors never tell the URL: a password may be in it. */
export function databaseUrlOf(env: Environment): string | undefined {
  const text = env[urlName] || undefined;
  const urlFile = env[urlFileName] || undefined;
  const passwordFile = env[passwordFileName] || undefined;
  if (text !== undefined && urlFile !== undefined) {
    throw bad(urlFileName, `${urlName} and ${urlFileName} are both set`, 'set one of them');
  }
  const given = urlFile === undefined ? text : secretIn(urlFileName, urlFile);
  if (given === undefined) {
    if (passwordFile === undefined) return undefined;
    throw bad(passwordFileName, `${passwordFileName} needs ${urlName}`, `set ${urlName}, without a password`);
  }
  const url = parse(given, urlFile === undefined ? urlName : urlFileName);
  if (passwordFile !== undefined) url.password = encodeURIComponent(secretIn(passwordFileName, passwordFile));
  return url.href;
}

function parse(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'postgresql:' || url?.protocol === 'postgres:') return url;
  throw bad(field, 'this is no URL of a PostgreSQL database', 'write postgresql://USER@HOST:5432/DATABASE');
}

/** Without the line break that editors leave at the end. */
function secretIn(field: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    const why = EmlocError.from(cause).message;
    throw bad(field, why, 'name a file that the service may read', path, cause);
  }
  if (text !== '') return text;
  throw bad(field, `${path} is empty`, 'write the secret into it', path);
}

const bad = (field: string, message: string, mend: string, value?: string, cause?: unknown): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_ENVIRONMENT', message, { field, value, mend, cause });
