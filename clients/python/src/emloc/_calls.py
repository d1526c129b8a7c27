"""Calls on a channel of grpc: spans, deadlines, retries and our errors around gRPC's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from emloc._retry import RetryInfoAttempts
from emloc._rpcs import RetryPolicy, Rpc
from emloc._tracing import CallSpan
from emloc.errors import from_rpc_error

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


class Calls:
    """A channel to one service. Timeouts are in seconds; `None`: no deadline."""

    def __init__(self, channel: grpc.Channel, address: str, retry: RetryPolicy) -> None:
        self.channel = channel
        self._address = address
        self._retry = retry

    def unary(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> R:
        """One message there, one back."""
        call: Any = self.channel.unary_unary(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
        )
        deadline = None if timeout is None else time.monotonic() + timeout
        attempts = RetryInfoAttempts(self._retry, rpc.idempotent, deadline)
        with _Span(rpc, self._address) as span:
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    response: R = call(request, timeout=left, metadata=span.metadata)
                except grpc.RpcError as raised:
                    error = from_rpc_error(raised, self._address)
                    wait = attempts.wait_after(error)
                    if wait is None:
                        raise error from raised
                    time.sleep(wait)
                else:
                    return response

    def stream(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> Iterator[R]:
        """One message there, many back. Leaving the loop cancels the call."""
        return self._answers(rpc, request, timeout, rpc.response.FromString)

    def raw_stream(self, rpc: Rpc[Q, R], request: Q, timeout: float | None) -> Iterator[bytes]:
        """The same, answers as they are on the wire."""
        return self._answers(rpc, request, timeout, bytes)

    def _answers(self, rpc: Rpc[Q, R], request: Q, timeout: float | None, read: Callable[[bytes], T]) -> Iterator[T]:
        call: Any = self.channel.unary_stream(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=read
        )
        with _Span(rpc, self._address) as span:
            answers = call(request, timeout=timeout, metadata=span.metadata)
            try:
                yield from answers
            except grpc.RpcError as raised:
                raise from_rpc_error(raised, self._address) from raised
            finally:
                answers.cancel()

    def upload(self, rpc: Rpc[Q, R], requests: Iterable[Q], timeout: float | None) -> R:
        """Many messages there, one back."""
        call: Any = self.channel.stream_unary(
            rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
        )
        sending = Sending(requests)
        with _Span(rpc, self._address) as span:
            try:
                response: R = call(iter(sending), timeout=timeout, metadata=span.metadata)
            except grpc.RpcError as raised:
                sending.reraise()
                raise from_rpc_error(raised, self._address) from raised
            return response

    def raw_both(self, rpc: Rpc[Q, R], requests: Iterable[Q | bytes], timeout: float | None) -> Iterator[bytes]:
        """Many there, many back. Requests may be serialized already; answers are as they are on the wire."""
        call: Any = self.channel.stream_stream(rpc.path, request_serializer=serialized, response_deserializer=bytes)
        sending = Sending(requests)
        with _Span(rpc, self._address) as span:
            answers = call(iter(sending), timeout=timeout, metadata=span.metadata)
            try:
                yield from answers
            except grpc.RpcError as raised:
                sending.reraise()
                raise from_rpc_error(raised, self._address) from raised
            finally:
                answers.cancel()


def serialized(message: Message | bytes) -> bytes:
    """What goes on the wire."""
    return message if isinstance(message, bytes) else message.SerializeToString()


class Sending(Iterable[T]):
    """
    Requests on their way; remembers what their iterator raised.

    gRPC says no more of it than that the call was cancelled.
    """

    def __init__(self, requests: Iterable[T]) -> None:
        self._requests = requests
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[T]:
        try:
            yield from self._requests
        except Exception as error:
            self._failure = error
            raise

    def reraise(self) -> None:
        """What went wrong here, where it did."""
        if self._failure is not None:
            raise self._failure


class _Span(CallSpan):
    """As a context: an error ends it as one; a loop that is left early does not."""

    def __enter__(self) -> CallSpan:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.end(error if isinstance(error, Exception) else None)
