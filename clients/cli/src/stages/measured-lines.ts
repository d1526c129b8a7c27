/** `peak memory  123 MB (predicted 150 MB)` and the time, as lines under a stage's figures. */
import { formatBytes, formatSeconds } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import type { OperationResult } from '../wire/operation.ts';

export function measuredLines({ usage, prediction, fromStore }: OperationResult): [string, Cell][] {
  if (usage === null) return [];
  const predicted = prediction === null ? '' : ` (predicted ${formatBytes(prediction.peakResidentBytes)})`;
  return [
    ['peak memory', `${formatBytes(usage.peakResidentBytes)}${predicted}`],
    [
      'time',
      `${formatSeconds(usage.wallSeconds)}${fromStore ? ' (of an earlier run: the result was in the store)' : ''}`,
    ],
  ];
}
