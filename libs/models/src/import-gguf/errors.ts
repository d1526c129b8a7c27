/** What is wrong with a GGUF file: damaged, or of a kind that is not imported. */
import { EmlocError } from '@emloc/errors';

export const damaged = (
  file: string,
  problem: string,
  field?: string,
  value?: string,
  cause?: unknown,
): EmlocError =>
  new EmlocError('DATA_LOSS', 'BAD_GGUF', `${file} ${problem}`, {
    field: field ?? file,
    value,
    mend: 'fetch the file again',
    cause,
  });

export const unsupported = (
  file: string,
  problem: string,
  field: string,
  value: string,
  mend: string,
): EmlocError =>
  new EmlocError('UNIMPLEMENTED', 'UNSUPPORTED_GGUF', `${file} ${problem}`, { field, value, mend });
