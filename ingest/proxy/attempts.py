"""The provider attempts of one call, as END records them."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from ingest.proxy.http import header
from ingest.proxy.ports import Failure, Target

RETRIABLE = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0


class Trail:
    """Attempts in order; the last one may still be running."""

    def __init__(self) -> None:
        self._made: list[dict[str, Any]] = []
        self._began = 0.0

    def __len__(self) -> int:
        return len(self._made)

    def begin(self, target: Target, *, model: str) -> None:
        self._began = time.perf_counter()
        self._made.append(
            {"provider": target.provider, "model": model, "started_at": datetime.now(UTC).isoformat()}
        )

    def end(self, *, status: int | None, error_type: str | None = None) -> None:
        """The running attempt is over; called again, the later word counts."""
        if self._made:
            latency_ms = round((time.perf_counter() - self._began) * 1000, 3)
            self._made[-1] |= {"status": status, "error_type": error_type, "latency_ms": latency_ms}

    def records(self) -> tuple[dict[str, Any], ...]:
        return tuple(self._made)


def may_pass(status: int) -> bool:
    """Whether another target may do better: throttled, timed out, or the provider's own failure."""
    return status in RETRIABLE or status >= 500


def failure_of(response: aiohttp.ClientResponse) -> Failure:
    """What a failed answer says, with its Retry-After in seconds."""
    return Failure(
        status=response.status,
        error_type=f"http_{response.status}",
        retry_after_seconds=_retry_after(header(response.raw_headers, b"retry-after")),
    )


def failure_from(error: BaseException) -> Failure:
    """What the absence of an answer says."""
    return Failure(status=None, error_type=failure_kind(error))


def failure_kind(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "upstream_timeout"
    return "upstream_error" if isinstance(error, aiohttp.ClientError | OSError) else "proxy_error"


def _retry_after(value: bytes) -> float | None:
    """Seconds from delta-seconds or an HTTP date (RFC 9110, 10.2.3), at most an hour."""
    text = value.decode("latin-1").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)
