/** The command line itself is wrong: an option unknown, missing, out of range, or at odds with another. Exit code 2. */
import { EmlocError, type ErrorDetails } from '@emloc/errors';

export class UsageError extends EmlocError {
  constructor(reason: string, message: string, details: ErrorDetails = {}) {
    super('INVALID_ARGUMENT', reason, message, details);
  }

  /** The same complaint, said by a library, laid at the option that caused it. */
  static because(field: string, value: string | undefined, thrown: unknown): UsageError {
    const error = EmlocError.from(thrown);
    const details = { value: value ?? error.value, mend: error.mend, metadata: error.metadata };
    return new UsageError(error.reason, error.message, { ...details, field, cause: error });
  }
}
