"""What came out of a job."""

from __future__ import annotations

from dataclasses import dataclass

from emloc._artifacts import Artifact
from emloc.coordinator.v1.fine_tune_job_pb2 import FineTuneJobResult
from emloc.operation.v1.event_pb2 import CandidateEvaluation
from emloc.operation.v1.result_pb2 import EvaluationResult


@dataclass(frozen=True)
class JobResult:
    """
    What came out of a job.

    Attributes
    ----------
    adapter
        The best adapter on the held-out rows: a PEFT adapter directory.
    adapter_uncorrected
        The adapter as trained on the emulator.
    report
        report.json.
    log
        JSON lines, one a training step.
    chosen
        The name of the candidate that was chosen.
    candidates
        Every candidate with its held-out loss.
    evaluation
        The chosen adapter on the original model, on the held-out rows.
    raw
        The message.

    """

    adapter: Artifact
    adapter_uncorrected: Artifact
    report: Artifact
    log: Artifact
    chosen: str
    candidates: tuple[CandidateEvaluation, ...]
    evaluation: EvaluationResult
    raw: FineTuneJobResult

    @classmethod
    def of(cls, result: FineTuneJobResult) -> JobResult:
        """From the message."""
        return cls(
            Artifact.of(result.adapter),
            Artifact.of(result.adapter_uncorrected),
            Artifact.of(result.report),
            Artifact.of(result.log),
            result.chosen,
            tuple(result.candidates),
            result.evaluation,
            result,
        )
