"""Connections: UTC, keepalives, one-line errors, and a retry for what passes by itself."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl

T = TypeVar("T")

OLDEST_SERVER = 150000
# A dead peer is noticed after 30 + 3 × 10 s; the system's default is two hours.
_KEEPALIVE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_LASTING = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
)


class DatabaseUnavailable(RuntimeError):  # noqa: N818  (it reads as the state it tells of)
    """No connection could be had; the message is one line. `is_transient`: trying again may help."""

    def __init__(self, message: str, *, is_transient: bool = True) -> None:
        super().__init__(message)
        self.is_transient = is_transient


def connect(
    url: DatabaseUrl,
    *,
    autocommit: bool = False,
    application_name: str = "lqo",
    timeout_seconds: int = 10,
) -> psycopg.Connection[TupleRow]:
    """Open a connection whose session runs in UTC; what the URL's own options say wins.

    Raises DatabaseUnavailable with a one-line message that holds no password.
    """
    given = dict(url.options)
    defaults = {"application_name": application_name, "connect_timeout": str(timeout_seconds), **_KEEPALIVE}
    chosen = {name: given.get(name, value) for name, value in defaults.items()}
    chosen["options"] = f"{given.get('options', '')} -c timezone=UTC".strip()
    try:
        return psycopg.connect(url.psycopg(), autocommit=autocommit, **chosen)  # pyright: ignore[reportArgumentType]
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from None


def check_server(url: DatabaseUrl) -> None:
    """Raise DatabaseUnavailable unless the server answers and is new enough."""
    with connect(url, autocommit=True) as connection:
        version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"{url.masked()} is PostgreSQL {version // 10000}; {OLDEST_SERVER // 10000} or newer is needed",
            is_transient=False,
        )


def unavailable(url: DatabaseUrl, error: psycopg.Error) -> DatabaseUnavailable:
    """The one-line form of a failed connection."""
    reason = " ".join(str(error).split()) or type(error).__name__
    is_transient = not any(phrase in reason for phrase in _LASTING)
    return DatabaseUnavailable(f"cannot reach {url.masked()}: {reason}", is_transient=is_transient)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed a moment later: lost connections, deadlocks, a standby."""
    if isinstance(error, DatabaseUnavailable):
        return error.is_transient
    passing = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
    return isinstance(error, passing)


def with_retries(
    work: Callable[[], T],
    *,
    attempts: int = 5,
    first_delay_seconds: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `work` until it returns; wait 0.1, 0.2, 0.4 … s (with jitter) after a transient error.

    `work` opens its own connection and transaction, so that each attempt starts afresh.
    The last attempt's error, and any error that is not transient, comes through unchanged.
    """
    for attempt in range(attempts - 1):
        try:
            return work()
        except Exception as error:
            if not is_transient(error):
                raise
            sleep(first_delay_seconds * 2**attempt * random.uniform(0.8, 1.2))
    return work()
