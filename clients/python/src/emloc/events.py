"""Events of jobs and operations in one flat shape, with the message itself beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from emloc.coordinator.v1 import fine_tune_job_pb2 as jobs
from emloc.operation.v1 import operation_pb2 as operations

ended_states = frozenset({"succeeded", "failed", "cancelled", "paused"})


@dataclass(frozen=True)
class Event:
    """
    One event. What an event does not say is `None`, or empty.

    Attributes
    ----------
    cursor
        Its number, from 1, without gaps: watch again after the last one seen.
    time
        When it happened, UTC.
    kind
        `state_changed`, `stage_changed`, `prediction`, `progress`, `training_step`, `training_evaluation`,
        `linear_compression`, `linear_correction`, `candidate_evaluation` or `notice`.
    stage
        Of a job: `plan`, `compress`, `train`, `correct`, `refine`, `select`, `evaluate` or `report`. Of an operation:
        what it is doing.
    state
        The new state of the job, stage or operation: `queued`, `running`, `paused`, `succeeded`, `failed`, `cancelled`,
        `skipped`.
    step, total_steps
        As the stage counts: layers, training steps or batches.
    loss
        Mean natural-log cross entropy over the labelled tokens.
    tokens_per_second
        Tokens that passed through the model, lately; of a training step, in that step.
    remaining_seconds
        An estimate, to the end of the stage's operation.
    text
        A sentence for people.
    raw
        The message, with all that it says.

    """

    cursor: int
    time: datetime
    kind: str
    stage: str
    raw: jobs.FineTuneJobEvent | operations.OperationEvent
    state: str = ""
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    tokens_per_second: float | None = None
    remaining_seconds: float | None = None
    text: str = ""


@dataclass(frozen=True)
class _Figures:
    """What the events of an operation say in common."""

    stage: str = ""
    state: str = ""
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    tokens_per_second: float | None = None
    remaining_seconds: float | None = None
    text: str = ""


def job_state(state: jobs.JobState.ValueType) -> str:
    """`JOB_STATE_RUNNING` is `running`."""
    return jobs.JobState.Name(state).removeprefix("JOB_STATE_").lower()


def operation_state(state: operations.OperationState.ValueType) -> str:
    """`OPERATION_STATE_RUNNING` is `running`."""
    return operations.OperationState.Name(state).removeprefix("OPERATION_STATE_").lower()


def from_job_event(event: jobs.FineTuneJobEvent) -> Event:
    """An event of a job; what a stage's operation said is told as that operation's."""
    time = _time(event.time)
    kind = event.WhichOneof("event") or ""
    if kind == "state_changed":
        return Event(event.cursor, time, kind, "", event, state=job_state(event.state_changed.state))
    if kind == "stage_changed":
        stage = event.stage_changed
        return Event(event.cursor, time, kind, stage.name, event, state=job_state(stage.state), text=stage.note)
    inner = event.stage_event.event
    figures = _figures(inner)
    return Event(
        event.cursor,
        time,
        inner.WhichOneof("event") or "",
        event.stage_event.stage,
        event,
        **_without_stage(figures),
    )


def from_operation_event(event: operations.OperationEvent) -> Event:
    """An event of an operation."""
    figures = _figures(event)
    kind = event.WhichOneof("event") or ""
    return Event(event.cursor, _time(event.time), kind, figures.stage, event, **_without_stage(figures))


def _figures(event: operations.OperationEvent) -> _Figures:
    kind = event.WhichOneof("event")
    if kind == "state_changed":
        return _Figures(state=operation_state(event.state_changed.state))
    if kind == "progress":
        progress = event.progress
        return _Figures(
            stage=progress.stage,
            step=progress.step,
            total_steps=progress.total_steps or None,
            loss=progress.loss if progress.HasField("loss") else None,
            tokens_per_second=progress.tokens_per_second if progress.HasField("tokens_per_second") else None,
            remaining_seconds=progress.remaining_seconds if progress.HasField("remaining_seconds") else None,
        )
    if kind == "training_step":
        step = event.training_step
        return _Figures(
            step=step.step,
            total_steps=step.total_steps,
            loss=step.loss,
            tokens_per_second=step.tokens / step.seconds if step.seconds > 0 else None,
        )
    if kind == "training_evaluation":
        return _Figures(step=event.training_evaluation.step, loss=event.training_evaluation.loss)
    if kind == "candidate_evaluation":
        return _Figures(loss=event.candidate_evaluation.loss, text=event.candidate_evaluation.name)
    if kind == "notice":
        return _Figures(text=event.notice.text)
    if kind == "linear_compression":
        return _Figures(text=event.linear_compression.module)
    if kind == "linear_correction":
        return _Figures(text=event.linear_correction.module)
    return _Figures()


def _without_stage(figures: _Figures) -> dict[str, Any]:
    return {name: value for name, value in vars(figures).items() if name != "stage"}


def _time(stamp: Timestamp) -> datetime:
    return datetime.fromtimestamp(stamp.seconds + stamp.nanos / 1e9, timezone.utc)
