/** How many rows of a data file were looked at, where that takes a while; a Ctrl-C meanwhile ends it. */
import { basename } from 'node:path';
import type { CommandContext } from '../context.ts';

/** What takes less time than this is not worth a line. */
const quietMs = 5_000;
const lookEveryRows = 256;

export function showRows(
  { output, signal }: Pick<CommandContext, 'output' | 'signal'>,
  file: string,
  now = Date.now,
): (rows: number) => void {
  const begun = now();
  return (rows) => {
    if (rows % lookEveryRows !== 0) return;
    signal.throwIfAborted();
    if (now() - begun < quietMs) return;
    output.progress({ stage: `read ${basename(file)}`, done: rows, unit: 'rows' });
  };
}
