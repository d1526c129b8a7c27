/** What went wrong with a download, told of TensorFlow: there is another way to it than the package index. */
import { EmlocError } from '@emloc/errors';

const another = 'or unpack a TensorFlow wheel and set EMLOC_TENSORFLOW_DIR to it';
const network = `check the network and pip's settings (pip config list), ${another}`;

const told: Readonly<Record<string, { readonly reason: string; readonly mend: string }>> = {
  PIP_NOT_FOUND: {
    reason: 'PIP_MISSING',
    mend: `install Python with pip (Debian: apt install python3-pip), or set EMLOC_PYTHON to one that has it, ${another}`,
  },
  PACKAGE_NOT_FOUND: { reason: 'PACKAGE_NOT_FOUND', mend: network },
  PACKAGE_INDEX_UNREACHABLE: { reason: 'DOWNLOAD_FAILED', mend: network },
  PIP_FAILED: { reason: 'DOWNLOAD_FAILED', mend: network },
  NO_WHEEL: { reason: 'DOWNLOAD_FAILED', mend: network },
  BAD_ARCHIVE: {
    reason: 'WHEEL_DAMAGED',
    mend: `try again; if it happens again, the package index serves a damaged file: use another one, ${another}`,
  },
};

export function asTensorFlowFetch(thrown: unknown): EmlocError {
  const error = EmlocError.from(thrown);
  const as = told[error.reason];
  if (as === undefined) return error;
  const { code, field, value, metadata } = error;
  return new EmlocError(code, as.reason, `TensorFlow could not be fetched: ${error.message}`, {
    field,
    value,
    mend: as.mend,
    metadata,
    cause: error,
  });
}
