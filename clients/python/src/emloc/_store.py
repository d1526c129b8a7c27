"""What the clients do with the store of the mesh: bring artifacts there and back, and list them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from emloc import _rpcs
from emloc._aio_calls import AsyncCalls
from emloc._artifacts import Artifact, Download, read_content, upload_steps
from emloc._calls import Calls
from emloc._channels import default_timeout
from emloc._results import JobResult
from emloc._services import Service
from emloc.artifact.v1 import artifact_service_pb2 as service
from emloc.errors import EmlocError


class Store:
    """Of `Client`."""

    def _calls(self, service: Service) -> Calls:
        raise NotImplementedError

    def upload(self, path: str | os.PathLike[str], *, timeout: float | None = None) -> Artifact:
        """
        Puts a file or directory of this machine into the store, unless the store holds its content already.

        Example
        -------
        >>> client.upload("train.jsonl").digest
        'sha256:…'

        """
        content = read_content(path)
        if not self._holds(content.digest):
            calls = self._calls("coordinator")
            calls.upload(_rpcs.upload_artifact, upload_steps(content), timeout)
        return content.artifact

    def download(self, artifact: Artifact | str, path: str | os.PathLike[str], *, timeout: float | None = None) -> Path:
        """
        Puts an artifact, or that of a digest, at a path that does not exist yet, whole and checked, or not at all.

        Example
        -------
        >>> client.download(result.adapter, "adapter")

        """
        digest = artifact if isinstance(artifact, str) else artifact.digest
        calls = self._calls("coordinator")
        known = calls.unary(_rpcs.get_artifact, service.GetArtifactRequest(digest=digest), default_timeout)
        with Download(path, digest, is_directory=known.kind == service.ARTIFACT_KIND_DIRECTORY) as download:
            request = service.DownloadArtifactRequest(digest=digest)
            for step in calls.stream(_rpcs.download_artifact, request, timeout):
                download.feed(step)
            return download.finish()

    def artifacts(
        self,
        *,
        filter: str = "",  # noqa: A002
        timeout: float | None = default_timeout,
    ) -> Iterator[Artifact]:
        """
        What the store holds, by digest; what a filter lets through. `timeout` is of each page.

        Example
        -------
        >>> [each.digest for each in client.artifacts(filter="kind = DIRECTORY AND byte_size > 1000000")]

        """
        request = service.ListArtifactsRequest(filter=filter)
        while True:
            page = self._calls("coordinator").unary(_rpcs.list_artifacts, request, timeout)
            yield from (Artifact.of(each.artifact) for each in page.artifacts)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def report(self, result: JobResult) -> Any:
        """report.json of a job, parsed; its schema is docs/report.schema.json."""
        request = service.DownloadArtifactRequest(digest=result.report.digest)
        steps = self._calls("coordinator").stream(_rpcs.download_artifact, request, default_timeout)
        return json.loads(b"".join(step.chunk for step in steps))

    def _holds(self, digest: str) -> bool:
        request = service.GetArtifactRequest(digest=digest)
        try:
            self._calls("coordinator").unary(_rpcs.get_artifact, request, default_timeout)
        except EmlocError as error:
            if error.code == "NOT_FOUND":
                return False
            raise
        return True


class AsyncStore:
    """Of `AsyncClient`."""

    async def _calls(self, service: Service) -> AsyncCalls:
        raise NotImplementedError

    async def upload(self, path: str | os.PathLike[str], *, timeout: float | None = None) -> Artifact:
        """Puts a file or directory of this machine into the store, unless the store holds its content already."""
        content = await asyncio.to_thread(read_content, path)
        if not await self._holds(content.digest):
            calls = await self._calls("coordinator")
            await calls.upload(_rpcs.upload_artifact, upload_steps(content), timeout)
        return content.artifact

    async def download(
        self,
        artifact: Artifact | str,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
    ) -> Path:
        """Puts an artifact, or that of a digest, at a new path: whole and checked, or not at all."""
        digest = artifact if isinstance(artifact, str) else artifact.digest
        calls = await self._calls("coordinator")
        known = await calls.unary(_rpcs.get_artifact, service.GetArtifactRequest(digest=digest), default_timeout)
        with Download(path, digest, is_directory=known.kind == service.ARTIFACT_KIND_DIRECTORY) as download:
            request = service.DownloadArtifactRequest(digest=digest)
            async for step in calls.stream(_rpcs.download_artifact, request, timeout):
                await asyncio.to_thread(download.feed, step)
            return await asyncio.to_thread(download.finish)

    async def artifacts(
        self,
        *,
        filter: str = "",  # noqa: A002
        timeout: float | None = default_timeout,
    ) -> AsyncIterator[Artifact]:
        """What the store holds, by digest; what a filter lets through. `timeout` is of each page."""
        request = service.ListArtifactsRequest(filter=filter)
        while True:
            page = await (await self._calls("coordinator")).unary(_rpcs.list_artifacts, request, timeout)
            for each in page.artifacts:
                yield Artifact.of(each.artifact)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def report(self, result: JobResult) -> Any:
        """report.json of a job, parsed; its schema is docs/report.schema.json."""
        request = service.DownloadArtifactRequest(digest=result.report.digest)
        calls = await self._calls("coordinator")
        steps = calls.stream(_rpcs.download_artifact, request, default_timeout)
        return json.loads(b"".join([step.chunk async for step in steps]))

    async def _holds(self, digest: str) -> bool:
        request = service.GetArtifactRequest(digest=digest)
        try:
            await (await self._calls("coordinator")).unary(_rpcs.get_artifact, request, default_timeout)
        except EmlocError as error:
            if error.code == "NOT_FOUND":
                return False
            raise
        return True
