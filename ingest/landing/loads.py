"""The book of loads: who brought what, and how much of it landed."""

from typing import Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.landing.result import LandingResult
from ingest.landing.text import repair


def open_load(
    connection: Connection[TupleRow], load_id: UUID, *, kind: Literal["spool", "import"], origin: str
) -> None:
    """Enter a load, if it is not there, in a transaction of its own if the caller is in none."""
    with connection.transaction():
        connection.execute(
            "insert into raw.loads (load_id, kind, origin) values (%s, %s, %s) on conflict do nothing",
            (load_id, kind, repair(origin)),
        )


def count_load(
    connection: Connection[TupleRow], load_id: UUID, result: LandingResult, *, refused: int = 0
) -> None:
    """Add a result, and what was `refused` before it could be landed, in the transaction that landed it."""
    connection.execute(
        "update raw.loads set landed = landed + %s, already_there = already_there + %s,"
        " rejected = rejected + %s where load_id = %s",
        (result.landed, result.already_there, len(result.rejected) + refused, load_id),
    )


def close_load(connection: Connection[TupleRow], load_id: UUID) -> None:
    """The load reached the end of its origin."""
    with connection.transaction():
        connection.execute("update raw.loads set finished_at = now() where load_id = %s", (load_id,))
