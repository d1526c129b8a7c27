"""What long work has in common: how jobs and operations are watched and ended, without a transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from emloc import _rpcs
from emloc._rpcs import Rpc
from emloc.coordinator.v1 import fine_tune_job_pb2 as jobs
from emloc.errors import EmlocError, from_status
from emloc.events import Event, from_job_event, from_operation_event, job_state, operation_state
from emloc.operation.v1 import operation_pb2 as operations

# What the service keeps about the work: a FineTuneJob or an Operation.
S = TypeVar("S", bound=Message)


@dataclass(frozen=True)
class Snapshot(Generic[S]):
    """How far the work was when the service was asked."""

    raw: S
    state: str
    error: Status


@dataclass(frozen=True)
class Kind(Generic[S]):
    """The contract of one kind of long work; every request is no more than an id."""

    name: str
    get: Rpc[Any, Any]
    watch: Rpc[Any, Any]
    pause: Rpc[Any, Any]
    cancel: Rpc[Any, Any]
    resume: Rpc[Any, Any]
    delete: Rpc[Any, Any]
    event: Callable[[Any], Event]
    snapshot: Callable[[Any], Snapshot[S]]

    def watched(self, id: str, after: int) -> Message:  # noqa: A002
        """The request of a watch."""
        request: Message = self.watch.request(id=id, after_cursor=after)
        return request

    def failure(self, id: str, snapshot: Snapshot[S]) -> EmlocError | None:  # noqa: A002
        """Why there is no result, where the work has ended without one."""
        if snapshot.state == "failed":
            return from_status(snapshot.error)
        name, reason = f"the {self.name} {id}", self.name.upper()
        if snapshot.state == "cancelled":
            return EmlocError("CANCELLED", f"{reason}_CANCELLED", f"{name} was cancelled", mend="resume it")
        if snapshot.state == "paused":
            return EmlocError("CANCELLED", f"{reason}_PAUSED", f"{name} is paused", mend="resume it")
        if snapshot.state == "succeeded":
            return None
        return EmlocError("UNAVAILABLE", "WATCH_ENDED", f"the events of {name} ended before it did", mend="wait again")


def _job(answer: Any) -> Snapshot[jobs.FineTuneJob]:
    return Snapshot(answer.job, job_state(answer.job.status.state), answer.job.status.error)


def _operation(answer: Any) -> Snapshot[operations.Operation]:
    return Snapshot(answer.operation, operation_state(answer.operation.state), answer.operation.error)


job_kind = Kind(
    "job",
    _rpcs.get_job,
    _rpcs.watch_job,
    _rpcs.pause_job,
    _rpcs.cancel_job,
    _rpcs.resume_job,
    _rpcs.delete_job,
    lambda answer: from_job_event(answer.event),
    _job,
)
operation_kind = Kind(
    "operation",
    _rpcs.get_operation,
    _rpcs.watch_operation,
    _rpcs.pause_operation,
    _rpcs.cancel_operation,
    _rpcs.resume_operation,
    _rpcs.delete_operation,
    lambda answer: from_operation_event(answer.event),
    _operation,
)
