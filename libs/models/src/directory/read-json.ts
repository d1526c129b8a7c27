import { EmlocError } from '@emloc/errors';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A file that must hold a JSON object. */
export const readJsonObject = (file: string): Record<string, unknown> => {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw EmlocError.from(error);
    throw notAnObject(file, `is not valid JSON: ${error.message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw notAnObject(file, 'holds no JSON object');
  return value as Record<string, unknown>;
};

const notAnObject = (file: string, what: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_JSON_FILE', `${basename(file)} ${what}`, {
    field: basename(file),
    value: file,
    mend: 'correct the file, or download it again',
  });
