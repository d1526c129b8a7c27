/** A part of a message that this call's answer always has. */
import { EmlocError } from '@emloc/errors';

export function present<T>(value: T | null | undefined, name: string): T {
  if (value !== null && value !== undefined) return value;
  throw new EmlocError('INTERNAL', 'ANSWER_INCOMPLETE', `the answer lacks ${name}`, {
    mend: 'are the command line and the mesh of the same version?',
  });
}
