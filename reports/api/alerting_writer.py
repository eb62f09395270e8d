"""The one way in which the API writes: short transactions on sessions that may write `alerting` alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from litestar import Request
from litestar.exceptions import ServiceUnavailableException
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from reports.api.alert_port import AlertActions
from reports.api.warehouse import STATEMENT_SECONDS

T = TypeVar("T")

LOCK_SECONDS = 5
_SESSION = (
    f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS * 1000} -c lock_timeout={LOCK_SECONDS * 1000}"
)


@dataclass(frozen=True, slots=True)
class AlertingWriter:
    """Runs what writes, each in a thread, on a connection and in a transaction of its own.

    `conninfo` is of a session whose role may write schema `alerting` and nothing else. People act on alerts
    a few times a day: a connection each costs less than keeping one.
    """

    conninfo: str = field(repr=False)
    actions: AlertActions

    @staticmethod
    def of(request: Request[Any, Any, Any]) -> "AlertingWriter":
        """The app's. Raises ServiceUnavailableException where it has none."""
        writer: AlertingWriter | None = request.app.state.alerting
        if writer is None:
            raise ServiceUnavailableException(
                "this API only reads: it found no role that may write alerts alone (its log says why)"
            )
        return writer

    async def run(self, work: Callable[[psycopg.Connection[TupleRow]], T]) -> T:
        """What `work` gives; what it wrote is committed. Raises psycopg.Error, and what `work` raises."""
        return await asyncio.to_thread(self._run, work)

    def _run(self, work: Callable[[psycopg.Connection[TupleRow]], T]) -> T:
        given = conninfo_to_dict(self.conninfo).get("options") or ""
        with psycopg.connect(
            self.conninfo,
            options=f"{given} {_SESSION}".strip(),
            application_name="lqo api (alerting)",
            connect_timeout=5,
        ) as connection:
            return work(connection)
