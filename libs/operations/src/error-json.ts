/** Errors as JSON, with all that is theirs but the stack: how they pass from a worker to its service and into files. */
import { EmlocError, type ErrorCode } from '@emloc/errors';

export interface ErrorJson {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
  readonly value?: string;
  readonly mend?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function errorToJson(thrown: unknown): ErrorJson {
  const { code, reason, message, field, value, mend, metadata } = EmlocError.from(thrown);
  return { code, reason, message, field, value, mend, metadata };
}

export const errorFromJson = ({ code, reason, message, ...details }: ErrorJson): EmlocError =>
  new EmlocError(code, reason, message, details);
