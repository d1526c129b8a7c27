/** How to go on after work that stopped, said with the error that stopped it. */
import { EmlocError, type ErrorCode } from '@emloc/errors';
import { Interrupted } from '../interrupted.ts';
import { shellWord } from '../output/shell-word.ts';

/** What another try may get past; a request that is wrong, or a loss that is NaN, comes to the same end again. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'RESOURCE_EXHAUSTED',
  'UNAVAILABLE',
  'ABORTED',
  'DATA_LOSS',
  'INTERNAL',
]);

/** The error of a run whose checkpoints are kept: `goesOn` names the command that takes it up again. */
export function resumable(thrown: unknown, goesOn: string): unknown {
  if (thrown instanceof Interrupted) {
    return new Interrupted('interrupted; the last checkpoint is kept', goesOn);
  }
  if (!(thrown instanceof EmlocError) || !passing.has(thrown.code)) return thrown;
  const { mend } = thrown;
  return thrown.with({
    mend: mend === undefined ? goesOn : `${mend}; then ${goesOn} from the last checkpoint`,
  });
}

/** What was typed, with `--resume`, as a shell takes it. */
export function resumeCommand(args: readonly string[]): string {
  return ['emloc', ...args.filter((arg) => arg !== '--resume'), '--resume'].map(shellWord).join(' ');
}
