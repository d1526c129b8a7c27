"""
A span for each call, and its context in the call's metadata, where the program has an OpenTelemetry tracer provider.

opentelemetry-api is optional; without it, or without a provider, nothing is recorded and nothing is sent. Names and
attributes follow OpenTelemetry's semantic conventions for RPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emloc._rpcs import Rpc
from emloc.errors import EmlocError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

try:
    from opentelemetry import propagate, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ModuleNotFoundError:
    has_api = False
else:
    has_api = True

_status_numbers = {"CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5}
_status_numbers |= {"ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9}
_status_numbers |= {"ABORTED": 10, "OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14}
_status_numbers |= {"DATA_LOSS": 15, "UNAUTHENTICATED": 16}


class CallSpan:
    """One call, from its start to its end, retries included. Ends once."""

    def __init__(self, rpc: Rpc[Any, Any], address: str) -> None:
        self.metadata: list[tuple[str, str]] = []
        self._span: Span | None = None
        if not has_api:
            return
        host, _, port = address.rpartition(":")
        server: dict[str, str | int] = {"server.address": host}
        if port.isdigit():
            server["server.port"] = int(port)
        self._span = trace.get_tracer("emloc").start_span(
            rpc.path[1:],
            kind=SpanKind.CLIENT,
            attributes={"rpc.system": "grpc", "rpc.service": rpc.service, "rpc.method": rpc.method, **server},
        )
        carrier: dict[str, str] = {}
        propagate.inject(carrier, context=trace.set_span_in_context(self._span))
        self.metadata = list(carrier.items())

    def end(self, error: BaseException | None = None) -> None:
        """`error` is how the call ended, where it did not end well."""
        span, self._span = self._span, None
        if span is None:
            return
        code = error.code if isinstance(error, EmlocError) else "OK" if error is None else "UNKNOWN"
        span.set_attribute("rpc.grpc.status_code", _status_numbers.get(code, 0))
        if error is not None:
            span.record_exception(error)
            if isinstance(error, EmlocError):
                span.set_attribute("error.type", error.reason)
            span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end()
