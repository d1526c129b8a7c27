/** How many rows of a data file were looked at, where that takes a while; a Ctrl-C meanwhile ends it. */
import { basename } from 'node:path';
import type { Dataset } from '@emloc/datasets';
import type { CommandContext } from '../context.ts';

/** What takes less time than this is not worth a line. */
const quietMs = 5_000;
const lookEveryRows = 256;
/** Rates are of the last while: the first rows of a large file are looked at more closely than the others. */
const rateOverMs = 15_000;
const lookEveryMs = 500;

interface Look {
  readonly ms: number;
  readonly rows: number;
  readonly share: number;
}

export function showRows(
  { output, signal }: Pick<CommandContext, 'output' | 'signal'>,
  { file, position }: Pick<Dataset, 'file' | 'position'>,
  now = Date.now,
): (rows: number) => void {
  const begun = now();
  const looks: Look[] = [{ ms: begun, rows: 0, share: 0 }];
  return (rows) => {
    if (rows % lookEveryRows !== 0) return;
    signal.throwIfAborted();
    const look = { ms: now(), rows, share: position.share };
    if (look.ms - looks.at(-1)!.ms >= lookEveryMs) looks.push(look);
    while (looks.length > 1 && look.ms - looks[1]!.ms >= rateOverMs) looks.shift();
    if (look.ms - begun < quietMs) return;
    output.progress({
      stage: `read ${basename(file)}`,
      done: rows,
      unit: 'rows',
      ...rateOf(looks[0]!, look),
    });
  };
}

/** What is left is told once something of the file was read in that time: readers take it a megabyte at once. */
function rateOf(from: Look, to: Look): { readonly remainingSeconds?: number; readonly note?: string } {
  const seconds = (to.ms - from.ms) / 1000;
  if (seconds <= 0) return {};
  const share = to.share - from.share;
  return {
    ...(share > 0 && { remainingSeconds: ((1 - to.share) / share) * seconds }),
    note: `${Math.round((to.rows - from.rows) / seconds)} rows/s`,
  };
}
