"""Jobs and operations as the asyncio client gives them: the methods of `emloc.work`, awaited."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
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
    from emloc.aio import AsyncClient


class _AsyncWork(Generic[S]):
    """Long work on a service: it outlives this object and this process. Find it again by its id."""

    def __init__(self, client: AsyncClient, service: Service, kind: Kind[S], id: str) -> None:  # noqa: A002
        self.id = id
        # The cursor of the last event that was seen here.
        self.cursor = 0
        self._client = client
        self._service: Service = service
        self._kind = kind

    async def events(self, after: int = 0, *, timeout: float | None = None) -> AsyncIterator[Event]:
        """
        All events after a cursor, then live ones, until the work has ended or is paused; see `Job.events`.

        Example
        -------
        >>> async for event in job.events():
        ...     print(event.stage, event.step, event.total_steps, event.loss, event.remaining_seconds)

        """
        deadline = None if timeout is None else time.monotonic() + timeout
        reconnect = Reconnect(self._client.patience)
        calls = await self._client._calls(self._service)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                async for answer in calls.stream(self._kind.watch, self._kind.watched(self.id, after), left):
                    reconnect.came()
                    event = self._kind.event(answer)
                    after = event.cursor
                    self.cursor = max(self.cursor, after)
                    yield event
            except EmlocError as error:
                wait = reconnect.wait_after(error)
                if wait is None or (deadline is not None and time.monotonic() + wait >= deadline):
                    raise
                await asyncio.sleep(wait)
            else:
                return

    async def status(self, *, timeout: float | None = default_timeout) -> S:
        """What the service knows of it: a `FineTuneJob` or an `Operation`."""
        return (await self._snapshot(timeout)).raw

    async def state(self, *, timeout: float | None = default_timeout) -> str:
        """Where it stands: `queued`, `running`, `paused`, `succeeded`, `failed` or `cancelled`."""
        return (await self._snapshot(timeout)).state

    async def pause(self, *, timeout: float | None = default_timeout) -> None:
        """Asks it to write a checkpoint and end as paused, and returns at once."""
        await self._act(self._kind.pause, timeout)

    async def cancel(self, *, timeout: float | None = default_timeout) -> None:
        """Asks it to end, and returns at once."""
        await self._act(self._kind.cancel, timeout)

    async def resume(self, *, timeout: float | None = default_timeout) -> None:
        """Lets it go on where it stood, after a pause, a cancel or a failure."""
        await self._act(self._kind.resume, timeout)

    async def delete(self, *, timeout: float | None = default_timeout) -> None:
        """Forgets it, where it has ended; its artifacts stay in the store."""
        await self._act(self._kind.delete, timeout)

    async def _end(self, timeout: float | None) -> Snapshot[S]:
        async for _ in self.events(self.cursor, timeout=timeout):
            pass
        snapshot = await self._snapshot(default_timeout)
        failure = self._kind.failure(self.id, snapshot)
        if failure is not None:
            raise failure
        return snapshot

    async def _snapshot(self, timeout: float | None) -> Snapshot[S]:
        return self._kind.snapshot(await self._act(self._kind.get, timeout))

    async def _act(self, rpc: _rpcs.Rpc[Any, Any], timeout: float | None) -> Any:
        return await (await self._client._calls(self._service)).unary(rpc, rpc.request(id=self.id), timeout)


class AsyncJob(_AsyncWork[jobs.FineTuneJob]):
    """A fine-tuning job, made by `AsyncClient.finetune` or found again by `AsyncClient.job`."""

    def __init__(self, client: AsyncClient, id: str) -> None:  # noqa: A002
        super().__init__(client, "coordinator", job_kind, id)

    async def wait(self, *, timeout: float | None = None) -> JobResult:
        """Waits for the end, and says what came out, or raises; see `Job.wait`."""
        return JobResult.of((await self._end(timeout)).raw.status.result)

    async def download(self, directory: str | os.PathLike[str]) -> JobResult:
        """
        Puts `adapter/`, `adapter-uncorrected/` and `report.json` into a directory, when the job is done.

        Example
        -------
        >>> await job.download("tuned")

        """
        result, into = await self.wait(), Path(directory)
        await self._client.download(result.adapter, into / "adapter")
        await self._client.download(result.adapter_uncorrected, into / "adapter-uncorrected")
        await self._client.download(result.report, into / "report.json")
        return result


class AsyncOperation(_AsyncWork[operations.Operation]):
    """An operation of a stage service, made by `AsyncClient.start` or found again by `AsyncClient.operation`."""

    def __init__(self, client: AsyncClient, service: Service, id: str) -> None:  # noqa: A002
        super().__init__(client, service, operation_kind, id)

    async def wait(self, *, timeout: float | None = None) -> OperationResult:
        """Waits for the end, and says what came out, or raises; see `Operation.wait`."""
        return (await self._end(timeout)).raw.result
