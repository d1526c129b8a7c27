/** What a token's hidden state takes: the unit that waves of rows are measured in. */
import type { WeightSource } from '@emloc/models';
import { dtypeBytes } from '@emloc/tensor-stream';

/** Bytes of one hidden state of one token. */
export const tokenStateBytes = ({
  config,
  activationDtype,
}: Pick<WeightSource, 'config' | 'activationDtype'>): number =>
  config.hiddenSize * dtypeBytes[activationDtype];
