"""
The one exception of this package, and how it is read from what gRPC raises.

A refused call carries `google.rpc` details: `ErrorInfo` (reason, value), `BadRequest` (field), `Help` (mend) and
`RetryInfo`. Where none came, the call never reached a service of the mesh, and gRPC's own words have to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

M = TypeVar("M", bound=Message)

details_key = "grpc-status-details-bin"


class EmlocError(Exception):
    """
    What a service of the mesh refused, or what went wrong on the way to it.

    Attributes
    ----------
    code
        gRPC's name of the code, such as `INVALID_ARGUMENT`.
    reason
        UPPER_SNAKE_CASE, stable across releases, for programs.
    message
        One sentence for people.
    field, value
        What was wrong, where it was one thing.
    mend
        What to do about it.
    retry_seconds
        After how long the service suggests to try again; `None` where it does not.
    metadata
        More about it by name, such as `traceId`.

    Example
    -------
    >>> try:
    ...     client.compress(weight, gram, rank=0)
    ... except EmlocError as error:
    ...     print(error.code, error.reason, error.field, error.mend)

    """

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        *,
        field: str | None = None,
        value: str | None = None,
        mend: str | None = None,
        retry_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.value = value
        self.mend = mend
        self.retry_seconds = retry_seconds
        self.metadata: Mapping[str, str] = dict(metadata or {})

    def __str__(self) -> str:
        where = "" if self.field is None or self.field in self.message else f"{self.field}: "
        mend = "" if self.mend is None else f" ({self.mend})"
        return f"{where}{self.message}{mend} [{self.code} {self.reason}]"

    def __reduce__(self) -> tuple[Any, ...]:
        details = (self.field, self.value, self.mend, self.retry_seconds, dict(self.metadata))
        return _rebuild, (self.code, self.reason, self.message, *details)


def _rebuild(
    code: str,
    reason: str,
    message: str,
    field: str | None,
    value: str | None,
    mend: str | None,
    retry_seconds: float | None,
    metadata: Mapping[str, str],
) -> EmlocError:
    """An error that was pickled, as between processes of a pool."""
    return EmlocError(
        code, reason, message, field=field, value=value, mend=mend, retry_seconds=retry_seconds, metadata=metadata
    )


def from_status(status: Status) -> EmlocError:
    """A `google.rpc.Status`, as operations and jobs hold it, as the error it stands for."""
    info = _detail(status.details, error_details_pb2.ErrorInfo)
    metadata = dict(info.metadata) if info is not None else {}
    value = metadata.pop("value", None)
    bad = _detail(status.details, error_details_pb2.BadRequest)
    links = _detail(status.details, error_details_pb2.Help)
    retry = _detail(status.details, error_details_pb2.RetryInfo)
    code = _code_names.get(status.code, "UNKNOWN")
    return EmlocError(
        code,
        info.reason if info is not None else code,
        status.message,
        field=bad.field_violations[0].field if bad is not None and bad.field_violations else None,
        value=value,
        mend=links.links[0].description if links is not None and links.links else None,
        retry_seconds=None if retry is None else retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
        metadata=metadata,
    )


def from_rpc_error(error: grpc.RpcError, address: str) -> EmlocError:
    """What a call of grpc or grpc.aio raised; `address` is whom it was for."""
    call: Any = error
    for key, value in call.trailing_metadata() or ():
        if key != details_key:
            continue
        try:
            return from_status(Status.FromString(value))
        except DecodeError:
            # From a server of another make: the bare status has to do.
            break
    return _from_transport(call.code().name, call.details() or "", address)


def _from_transport(code: str, details: str, address: str) -> EmlocError:
    reason, message, mend = {
        "UNAVAILABLE": (
            "SERVICE_UNREACHABLE",
            f"{address} is not reachable: {details}",
            "check that the service runs there and that the address, and TLS or not, are right",
        ),
        "DEADLINE_EXCEEDED": (
            "DEADLINE_EXCEEDED",
            f"{address} did not answer in time",
            "try again, or give the call a longer timeout",
        ),
        "CANCELLED": ("CALL_CANCELLED", "the call was cancelled", None),
        "UNIMPLEMENTED": (
            "RPC_NOT_FOUND",
            f"{address} does not serve this call: {details}",
            "check that the address is that of the right service and of the same version",
        ),
    }.get(code, (code, details or code, None))
    return EmlocError(code, reason, message, value=address, mend=mend)


def _detail(details: Any, kind: type[M]) -> M | None:
    """The first detail of a kind; `details` are Any messages."""
    name = kind.DESCRIPTOR.full_name
    found: AnyMessage | None = next((each for each in details if each.type_url.endswith(f"/{name}")), None)
    return None if found is None else kind.FromString(found.value)


_code_names: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
