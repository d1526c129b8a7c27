/** Small helpers on matrices that several stages need. */
import { all, diagPart, isFinite as isFiniteEach, sum, tidy, toNumber, type Tensor } from '@emloc/engine';

/** Σ of the diagonal; NaN or infinity anywhere on it shows here. */
export const traceOf = (matrix: Tensor): number => tidy(() => toNumber(sum(diagPart(matrix))));

/** Is every element a finite number? */
export const isFiniteThroughout = (t: Tensor): boolean => tidy(() => toNumber(all(isFiniteEach(t))) === 1);
