/** Runs a library's check and lays what it refuses at the option that was typed. */
import { EmlocError } from '@emloc/errors';
import { UsageError } from '../usage-error.ts';

export interface TypedOption {
  /** As typed: `--model`. */
  readonly option: string;
  readonly value: string;
  /** What the library calls it, where that is not the option's own name. */
  readonly name?: string;
  /** What the option says is wrong in itself: exit code 2, not 1. */
  readonly usage?: boolean;
}

export async function underOption<T>(typed: TypedOption, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (thrown) {
    throw laidAt(typed, EmlocError.from(thrown));
  }
}

/** `config.json: hidden_size: …` under `--model`; the library's own name for the option is not said twice. */
function laidAt({ option, value, name, usage }: TypedOption, error: EmlocError): EmlocError {
  const own = name ?? option.replace(/^--/, '').replaceAll('-', '_');
  const inner =
    error.field === undefined || error.field === own || error.message.startsWith(error.field)
      ? ''
      : `${error.field}: `;
  const details = {
    field: option,
    value: error.value ?? value,
    mend: error.mend,
    metadata: error.metadata,
    cause: error,
  };
  const message = `${inner}${error.message}`;
  const named = message.includes(value) ? message : `${value}: ${message}`;
  return usage
    ? new UsageError(error.reason, named, details)
    : new EmlocError(error.code, error.reason, named, details);
}
