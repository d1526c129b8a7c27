/** The adapters a job has made, with their held-out losses on the original; the best of them is the job's result. */
import type {
  ArtifactReference,
  CandidateEvaluation,
  CorrectionResult,
  EvaluationResult,
} from '@emloc/service-kit';

export interface Candidate {
  readonly evaluation: Omit<CandidateEvaluation, 'chosen'>;
  /** Not there for those that the correction compared and dropped. */
  readonly adapter: ArtifactReference | undefined;
  /** All that was measured, where the inference service did. */
  readonly measured?: EvaluationResult;
}

export type WrittenCandidate = Candidate & { readonly adapter: ArtifactReference };

/** What the correction compared (method `auto`): only the one it chose was written. */
export function correctionCandidates(corrected: CorrectionResult): Candidate[] {
  return (corrected.candidates ?? []).map(({ chosen, ...evaluation }) => ({
    evaluation,
    adapter: chosen ? corrected.adapter : undefined,
  }));
}

/** The lowest loss of those that were written; the earlier one where two are equal, so that plainer ones win. */
export function chooseCandidate(candidates: readonly Candidate[]): WrittenCandidate {
  const written = candidates.filter((c): c is WrittenCandidate => c.adapter !== undefined);
  const [first, ...rest] = written;
  if (first === undefined) throw new RangeError('nothing to choose from');
  const loss = (c: Candidate): number => (Number.isFinite(c.evaluation.loss) ? c.evaluation.loss : Infinity);
  return rest.reduce((best, candidate) => (loss(candidate) < loss(best) ? candidate : best), first);
}

export const toEvaluations = (candidates: readonly Candidate[], chosen: Candidate): CandidateEvaluation[] =>
  candidates.map((candidate) => ({ ...candidate.evaluation, chosen: candidate === chosen }));
