/** Options of the correction; `correct` and `finetune` share them. */
import type { OptionRow } from './option.ts';
import { numberIn, oneOf } from './values.ts';

export const correctionMethods = ['auto', 'paper', 'none'] as const;
export type CorrectionMethodName = (typeof correctionMethods)[number];

export const correctionMethodOption = (flag: string, fallback: string): OptionRow => ({
  flags: `${flag} <method>`,
  says: `auto tries several on held-out rows and keeps the best, paper is as published, none leaves it (default: ${fallback})`,
  parse: oneOf(flag, correctionMethods),
});

export const maxCorrectionRatioOption: OptionRow = {
  flags: '--max-correction-ratio <limit>',
  says: 'λ of the published correction: its largest size relative to the adapter (auto tries its own)',
  parse: numberIn('--max-correction-ratio', { min: 0 }, '3'),
  default: 3,
};
