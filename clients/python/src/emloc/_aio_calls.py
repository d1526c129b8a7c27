"""Calls on a channel of grpc.aio: the same as `_calls`, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from emloc._calls import Sending, serialized
from emloc._retry import RetryInfoAttempts
from emloc._rpcs import RetryPolicy, Rpc
from emloc._tracing import CallSpan
from emloc.errors import from_rpc_error

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


class AsyncCalls:
    """A channel to one service. Timeouts are in seconds; `None`: no deadline."""

    def __init__(self, channel: grpc.aio.Channel, address: str, retry: RetryPolicy) -> None:
        self.channel = channel
        self._address = address
        self._retry = retry

    async def unary(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> R:
        """One message there, one back."""
        call: Any = self.channel.unary_unary(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
        )
        deadline = None if timeout is None else time.monotonic() + timeout
        attempts = RetryInfoAttempts(self._retry, rpc.idempotent, deadline)
        span = CallSpan(rpc, self._address)
        failure: BaseException | None = None
        try:
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    response: R = await call(request, timeout=left, metadata=span.metadata)
                except grpc.RpcError as raised:
                    error = from_rpc_error(raised, self._address)
                    wait = attempts.wait_after(error)
                    if wait is None:
                        raise error from raised
                    await asyncio.sleep(wait)
                else:
                    return response
        except Exception as error:
            failure = error
            raise
        finally:
            span.end(failure)

    def stream(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> AsyncIterator[R]:
        """One message there, many back. Leaving the loop cancels the call."""
        return self._answers(rpc, request, timeout, rpc.response.FromString)

    def raw_stream(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> AsyncIterator[bytes]:
        """The same, answers as they are on the wire."""
        return self._answers(rpc, request, timeout, bytes)

    async def _answers(
        self,
        rpc: Rpc[Q, R],
        request: Q,
        timeout: float | None,
        read: Callable[[bytes], T],
    ) -> AsyncIterator[T]:
        call: Any = self.channel.unary_stream(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=read
        )
        span = CallSpan(rpc, self._address)
        answers = call(request, timeout=timeout, metadata=span.metadata)
        async for answer in self._told(answers, span, None):
            yield answer

    async def upload(self, rpc: Rpc[Q, R], requests: Iterable[Q], timeout: float | None) -> R:
        """Many messages there, one back; they are made in a thread, for they are read from disk."""
        call: Any = self.channel.stream_unary(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
        )
        sending = Sending(requests)
        span = CallSpan(rpc, self._address)
        failure: BaseException | None = None
        try:
            response: R = await call(_in_thread(iter(sending)), timeout=timeout, metadata=span.metadata)
        except grpc.RpcError as raised:
            failure = from_rpc_error(raised, self._address)
            sending.reraise()
            raise failure from raised
        except Exception as error:
            failure = error
            raise
        else:
            return response
        finally:
            span.end(failure)

    async def raw_both(
        self,
        rpc: Rpc[Q, R],
        requests: Iterable[Q | bytes],
        timeout: float | None,
    ) -> AsyncIterator[bytes]:
        """Many there, many back. Requests may be serialized already; answers are as they are on the wire."""
        call: Any = self.channel.stream_stream(rpc.path, request_serializer=serialized, response_deserializer=bytes)
        sending = Sending(requests)
        span = CallSpan(rpc, self._address)
        answers = call(_in_thread(iter(sending)), timeout=timeout, metadata=span.metadata)
        async for answer in self._told(answers, span, sending):
            yield answer

    async def _told(self, answers: Any, span: CallSpan, sending: Sending[Any] | None) -> AsyncIterator[Any]:
        failure: BaseException | None = None
        try:
            async for answer in answers:
                yield answer
        except (grpc.RpcError, asyncio.CancelledError) as raised:
            # A sender that failed cancels its call; who awaits it did not ask for that.
            if sending is not None:
                sending.reraise()
            if isinstance(raised, asyncio.CancelledError):
                raise
            failure = from_rpc_error(raised, self._address)
            raise failure from raised
        finally:
            answers.cancel()
            span.end(failure)


_end = object()


async def _in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Blocking work (files, checksums) beside the event loop."""
    while (item := await asyncio.to_thread(next, items, _end)) is not _end:
        yield item  # type: ignore[misc]
