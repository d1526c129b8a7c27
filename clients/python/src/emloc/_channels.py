"""How a channel to a service is opened: TLS, limits, retries, keepalive; the same for grpc and grpc.aio."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from emloc._rpcs import RetryPolicy, service_config
from emloc.errors import EmlocError

ChannelOption = tuple[str, str | int]

# For calls that start or look up things. They never compute.
default_timeout = 30.0


@dataclass(frozen=True)
class Tls:
    """
    PEM files for TLS.

    Attributes
    ----------
    ca
        Authorities that the service's certificate must come from; `None`: the system's.
    cert, key
        This client's own certificate, where the mesh asks for one.
    server_name
        The name that the service's certificate must hold, where it differs from the address.

    Example
    -------
    >>> Client("mesh.example.com:443", tls=Tls(ca="ca.pem", cert="me.pem", key="me.key"))

    """

    ca: str | os.PathLike[str] | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Tls | None:
        """As the command line has it: EMLOC_TLS_CA, EMLOC_TLS_CERT, EMLOC_TLS_KEY, EMLOC_TLS_SERVER_NAME."""
        names = ("CA", "CERT", "KEY", "SERVER_NAME")
        ca, cert, key, server_name = (environment.get(f"EMLOC_TLS_{name}") or None for name in names)
        return None if ca is None and cert is None else cls(ca, cert, key, server_name)

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC takes."""
        if (self.cert is None) != (self.key is None):
            raise EmlocError(
                "INVALID_ARGUMENT",
                "TLS_INCOMPLETE",
                "a certificate needs its key and a key its certificate",
                field="tls.cert" if self.cert is None else "tls.key",
                mend="name both PEM files or none",
            )
        return grpc.ssl_channel_credentials(_read("ca", self.ca), _read("key", self.key), _read("cert", self.cert))


def _read(name: str, path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise EmlocError(
            "INVALID_ARGUMENT",
            "TLS_FILE_UNREADABLE",
            f"cannot read the TLS file: {error}",
            field=f"tls.{name}",
            value=str(path),
            mend="check the path and its permissions",
        ) from error


def channel_options(
    retry: RetryPolicy, tls: Tls | None, more: Sequence[ChannelOption], version: str
) -> list[ChannelOption]:
    """`more` comes last, so that a program can set what it knows better."""
    name: list[ChannelOption] = []
    if tls is not None and tls.server_name is not None:
        name = [("grpc.ssl_target_name_override", tls.server_name), ("grpc.default_authority", tls.server_name)]
    return [
        ("grpc.primary_user_agent", f"emloc-python/{version}"),
        ("grpc.service_config", service_config(retry)),
        ("grpc.enable_retries", 1),
        # A service that restarts is back within seconds.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # Dead connections are noticed while a watch waits for events.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # The mesh's own addresses are never behind the proxy that the environment names for the world outside.
        ("grpc.enable_http_proxy", 0),
        *name,
        *more,
    ]


def coordinator_address(address: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The given one, else EMLOC_ADDRESS, else EMLOC_COORDINATOR_ADDRESS, else where a coordinator listens unasked."""
    named = (environment.get(name) for name in ("EMLOC_ADDRESS", "EMLOC_COORDINATOR_ADDRESS"))
    return address or next((each for each in named if each), "127.0.0.1:50550")
