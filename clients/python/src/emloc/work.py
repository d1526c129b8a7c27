"""Jobs and operations as the synchronous client gives them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from emloc import _rpcs
from emloc._channels import default_timeout
from emloc._results import JobResult
from emloc._retry import Reconnect
from emloc._services import Service
from emloc._work import Kind, S, Snapshot, job_kind, operation_kind
from emloc.coordinator.v1 import fine_tune_job_pb2 as jobs
from emloc.errors import EmlocError
from emloc.events import Event
from emloc.operation.v1 import operation_pb2 as operations
from emloc.operation.v1.result_pb2 import OperationResult

if TYPE_CHECKING:
    from emloc.client import Client


class _Work(Generic[S]):
    """Long work on a service: it outlives this object and this process. Find it again by its id."""

    def __init__(self, client: Client, service: Service, kind: Kind[S], id: str) -> None:  # noqa: A002
        self.id = id
        # The cursor of the last event that was seen here.
        self.cursor = 0
        self._client = client
        self._service: Service = service
        self._kind = kind

    def events(self, after: int = 0, *, timeout: float | None = None) -> Iterator[Event]:
        """
        All events after a cursor, then live ones, until the work has ended or is paused.

        A watch that breaks off, because the service restarts, goes on after the last event that was seen, for as
        long as the client's `patience` lasts. Leaving the loop leaves the work alone.

        Example
        -------
        >>> for event in job.events():
        ...     print(event.stage, event.step, event.total_steps, event.loss, event.remaining_seconds)

        """
        deadline = None if timeout is None else time.monotonic() + timeout
        reconnect = Reconnect(self._client.patience)
        calls = self._client._calls(self._service)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                for answer in calls.stream(self._kind.watch, self._kind.watched(self.id, after), left):
                    reconnect.came()
                    event = self._kind.event(answer)
                    after = event.cursor
                    self.cursor = max(self.cursor, after)
                    yield event
            except EmlocError as error:
                wait = reconnect.wait_after(error)
                if wait is None or (deadline is not None and time.monotonic() + wait >= deadline):
                    raise
                time.sleep(wait)
            else:
                return

    def status(self, *, timeout: float | None = default_timeout) -> S:
        """What the service knows of it: a `FineTuneJob` or an `Operation`."""
        return self._snapshot(timeout).raw

    def state(self, *, timeout: float | None = default_timeout) -> str:
        """Where it stands: `queued`, `running`, `paused`, `succeeded`, `failed` or `cancelled`."""
        return self._snapshot(timeout).state

    def pause(self, *, timeout: float | None = default_timeout) -> None:
        """Asks it to write a checkpoint and end as paused, and returns at once."""
        self._act(self._kind.pause, timeout)

    def cancel(self, *, timeout: float | None = default_timeout) -> None:
        """Asks it to end, and returns at once."""
        self._act(self._kind.cancel, timeout)

    def resume(self, *, timeout: float | None = default_timeout) -> None:
        """Lets it go on where it stood, after a pause, a cancel or a failure."""
        self._act(self._kind.resume, timeout)

    def delete(self, *, timeout: float | None = default_timeout) -> None:
        """Forgets it, where it has ended; its artifacts stay in the store."""
        self._act(self._kind.delete, timeout)

    def _end(self, timeout: float | None) -> Snapshot[S]:
        for _ in self.events(self.cursor, timeout=timeout):
            pass
        snapshot = self._snapshot(default_timeout)
        failure = self._kind.failure(self.id, snapshot)
        if failure is not None:
            raise failure
        return snapshot

    def _snapshot(self, timeout: float | None) -> Snapshot[S]:
        return self._kind.snapshot(self._act(self._kind.get, timeout))

    def _act(self, rpc: _rpcs.Rpc[Any, Any], timeout: float | None) -> Any:
        return self._client._calls(self._service).unary(rpc, rpc.request(id=self.id), timeout)


class Job(_Work[jobs.FineTuneJob]):
    """A fine-tuning job, made by `Client.finetune` or found again by `Client.job`."""

    def __init__(self, client: Client, id: str) -> None:  # noqa: A002
        super().__init__(client, "coordinator", job_kind, id)

    def wait(self, *, timeout: float | None = None) -> JobResult:
        """
        Waits for the end, and says what came out.

        Raises the error that ended the job; `JOB_CANCELLED`, `JOB_PAUSED`; `DEADLINE_EXCEEDED` after `timeout` seconds.
        """
        return JobResult.of(self._end(timeout).raw.status.result)

    def download(self, directory: str | os.PathLike[str]) -> JobResult:
        """
        Puts `adapter/`, `adapter-uncorrected/` and `report.json` into a directory, when the job is done.

        Example
        -------
        >>> job.download("tuned")
        >>> peft.PeftModel.from_pretrained(model, "tuned/adapter")

        """
        result, into = self.wait(), Path(directory)
        self._client.download(result.adapter, into / "adapter")
        self._client.download(result.adapter_uncorrected, into / "adapter-uncorrected")
        self._client.download(result.report, into / "report.json")
        return result


class Operation(_Work[operations.Operation]):
    """An operation of a stage service, made by `Client.start` or found again by `Client.operation`."""

    def __init__(self, client: Client, service: Service, id: str) -> None:  # noqa: A002
        super().__init__(client, service, operation_kind, id)

    def wait(self, *, timeout: float | None = None) -> OperationResult:
        """
        Waits for the end, and says what came out.

        Raises the error that ended it; `OPERATION_CANCELLED`, `OPERATION_PAUSED`; `DEADLINE_EXCEEDED` after `timeout`
        seconds.
        """
        return self._end(timeout).raw.result
