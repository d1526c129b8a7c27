/** One variant only: the linears as they are. */
import { plainLinears } from '../layers/linear.ts';
import type { VariantLinears } from './cached-pass.ts';

export const plainVariants: VariantLinears = () => ({
  linearsFor: (_layer, weights) => plainLinears(weights),
  dispose: () => {},
});
