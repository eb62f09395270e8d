"""Connections to the warehouse: a pool of read-only sessions in UTC, each statement with a time limit."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow, class_row
from psycopg.sql import SQL, Composed
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

Row = TypeVar("Row", bound=msgspec.Struct)

STATEMENT_SECONDS = 10
WAIT_SECONDS = 3.0
"""For a free connection. More is no use to a reader, and a database that is down is told of soon."""
MOST_CONNECTIONS = 8
# jit: compiling costs more than these queries take. work_mem: a page of 90 days must not sort on disk.
_SESSION = (
    "-c default_transaction_read_only=on -c timezone=UTC -c jit=off -c work_mem=32MB"
    f" -c statement_timeout={STATEMENT_SECONDS * 1000}"
)


class Warehouse:
    """Reads rows as structs. Open it before use; a database that is down keeps nobody from opening it."""

    def __init__(self, conninfo: str, *, name: str) -> None:
        given = conninfo_to_dict(conninfo).get("options") or ""
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            conninfo,
            # No prepared statements: a plan that ignores the span is wrong for a day or for a year.
            kwargs={
                "options": f"{given} {_SESSION}".strip(),
                "application_name": name,
                "autocommit": True,
                "prepare_threshold": None,
                "connect_timeout": 5,
            },
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=WAIT_SECONDS,
            configure=_as_text,
            check=AsyncConnectionPool.check_connection,
            open=False,
            name=name,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The pool is open inside the block."""
        async with self._pool:
            yield

    async def rows(self, kind: type[Row], query: SQL | Composed, values: Mapping[str, Any]) -> list[Row]:
        """All rows of a query, each column a field of `kind`. Raises psycopg.Error."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(kind)) as cursor,
        ):
            await cursor.execute(query, values)
            return await cursor.fetchall()

    async def row(self, kind: type[Row], query: SQL | Composed, values: Mapping[str, Any]) -> Row | None:
        """The first row, if any."""
        found = await self.rows(kind, query, values)
        return found[0] if found else None


async def _as_text(connection: AsyncConnection[TupleRow]) -> None:
    """Decimals stay as Postgres writes them: `Decimal` would print a millionth as 1E-6."""
    connection.adapters.register_loader("numeric", TextLoader)
