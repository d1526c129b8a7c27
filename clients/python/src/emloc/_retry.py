"""When a call is made again by this package: what gRPC's own retries (`_rpcs.service_config`) do not know."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from emloc._rpcs import RetryPolicy
from emloc.errors import EmlocError


@dataclass
class RetryInfoAttempts:
    """
    Honours `RetryInfo`: a service that refuses with it (a full queue) is asked again after that time.

    UNAVAILABLE is left to gRPC, which has repeated it already when it comes here.
    """

    policy: RetryPolicy
    idempotent: bool
    deadline: float | None
    made: int = 1

    def wait_after(self, error: EmlocError) -> float | None:
        """Seconds to wait before the next attempt; `None`: there is none."""
        if not self.idempotent or error.retry_seconds is None or error.code == "UNAVAILABLE":
            return None
        if self.made >= self.policy.attempts:
            return None
        self.made += 1
        if self.deadline is not None and time.monotonic() + error.retry_seconds >= self.deadline:
            return None
        return error.retry_seconds


@dataclass
class Reconnect:
    """A watch that broke off is opened again until the service has been away for `patience` seconds."""

    patience: float
    _away_since: float | None = None
    _wait: float = field(default=0.1)

    def came(self) -> None:
        """Something came: the service is there."""
        self._away_since = None
        self._wait = 0.1

    def wait_after(self, error: EmlocError) -> float | None:
        """Seconds to wait before the watch is opened again; `None`: the error is to be told."""
        if error.code != "UNAVAILABLE":
            return None
        now = time.monotonic()
        self._away_since = self._away_since if self._away_since is not None else now
        if now - self._away_since >= self.patience:
            return None
        self._wait = min(2.0, self._wait * 2)
        # Watchers of a restarted service must not come back all at once.
        return self._wait * (0.5 + random.random() / 2)  # noqa: S311
