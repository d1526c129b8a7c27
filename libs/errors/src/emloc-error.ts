/**
 * The one family of errors. A code (gRPC's names), a reason that machines match, what was wrong with which field, and
 * how to mend it. The cause stays local. Turned into a gRPC status and back in one place: libs/mesh.
 */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'RESOURCE_EXHAUSTED'
  | 'CANCELLED'
  | 'ABORTED'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'OUT_OF_RANGE'
  | 'DATA_LOSS'
  | 'UNIMPLEMENTED'
  | 'DEADLINE_EXCEEDED'
  | 'INTERNAL';

export interface ErrorDetails {
  /** The option, message field or file part that is wrong, as its user knows it. */
  readonly field?: string;
  /** The offending value, short. */
  readonly value?: string;
  /** What to do about it. */
  readonly mend?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class EmlocError extends Error {
  override readonly name = 'EmlocError';
  readonly code: ErrorCode;
  /** UPPER_SNAKE_CASE, stable across releases. */
  readonly reason: string;
  readonly field: string | undefined;
  readonly value: string | undefined;
  readonly mend: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, reason: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = reason;
    this.field = details.field;
    this.value = details.value;
    this.mend = details.mend;
    this.metadata = details.metadata ?? {};
  }

  /** Anything thrown, as one of ours: what already is one stays; a full disk and a missing file keep their meaning. */
  static from(thrown: unknown): EmlocError {
    if (thrown instanceof EmlocError) return thrown;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const code = (error as NodeJS.ErrnoException).code;
    // Of a copy: it is the place to be written that fills a disk.
    const { path, dest } = error as NodeJS.ErrnoException & { readonly dest?: string };
    switch (code) {
      case 'ENOSPC':
        return new EmlocError(
          'RESOURCE_EXHAUSTED',
          'DISK_FULL',
          `no space left on the disk${at(dest ?? path)}`,
          {
            mend: 'free some space or choose another output directory',
            cause: error,
          },
        );
      case 'ENOENT':
        return new EmlocError('NOT_FOUND', 'FILE_NOT_FOUND', `no such file or directory${at(path)}`, {
          value: path,
          mend: 'check the path',
          cause: error,
        });
      case 'EACCES':
      case 'EPERM':
        return new EmlocError('PERMISSION_DENIED', 'FILE_NOT_ACCESSIBLE', `permission denied${at(path)}`, {
          value: path,
          mend: 'check the permissions of the path',
          cause: error,
        });
      default:
        return new EmlocError('INTERNAL', 'INTERNAL', error.message, { cause: error });
    }
  }

  /** The same error told otherwise: with these details in place of its own. It is the cause. */
  with(details: Omit<ErrorDetails, 'cause'>): EmlocError {
    const { field, value, mend, metadata } = this;
    return new EmlocError(this.code, this.reason, this.message, {
      ...{ field, value, mend, metadata },
      ...details,
      cause: this,
    });
  }

  /** One line for people: what was wrong, with which field and value, and the mend. */
  describe(): string {
    const where = this.field === undefined || names(this.message, this.field) ? '' : `${this.field}: `;
    const mend = this.mend === undefined ? '' : ` (${this.mend})`;
    return `${where}${this.message}${mend}`;
  }
}

// A bundler renames a class that names itself, and logs say the name of the class.
Object.defineProperty(EmlocError, 'name', { value: 'EmlocError' });

/** Does the sentence name the field itself? Then it does not stand before it once more. */
const names = (sentence: string, field: string): boolean =>
  sentence.startsWith(`${field}: `) || sentence.split(/[\s'"`,;:()=]+/).includes(field);

const at = (path: string | undefined): string => (path === undefined ? '' : `: ${path}`);
