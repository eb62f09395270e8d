"""The curated history of prices, brought into the book as the installed version of the project has it."""

from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.pricing.changes import price_key, price_value
from evaluators.pricing.curated import curated_rows
from evaluators.pricing.rows import CURATED_SOURCE, PriceRow
from orchestration.cost.price_book import CHARGES, mark_affected
from orchestration.cost.price_rows import CURRENT, PRICES, add_rows, supersede_rows
from orchestration.transactions import LOCK, clock, writing

HELD: LiteralString = f"{CURRENT} and starts_with(source, %s)"


def ensure_curated(connection: Connection[TupleRow]) -> int:
    """Add the curated prices that the book lacks, supersede those that ship no more; returns the rows added.

    Supersedes and marks hours as an import does. Once the book holds them, a call reads these rows and
    writes nothing. The connection must be outside a transaction.
    """
    with connection.transaction():
        added, ended = _differences(connection)
    if not added and not ended:
        return 0
    with writing(connection, relation=CHARGES):
        connection.execute(LOCK, (PRICES,))
        added, ended = _differences(connection)
        at = clock(connection)
        supersede_rows(connection, ended, at=at)
        if added:
            add_rows(connection, added, at=at)
        mark_affected(connection, [*ended, *added])
    return len(added)


def _differences(connection: Connection[TupleRow]) -> tuple[list[PriceRow], list[PriceRow]]:
    """Rows to add, and held rows that are not shipped in this form."""
    with connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        held = {_identity(row): row for row in cursor.execute(HELD, (CURATED_SOURCE,))}
    shipped = {_identity(row): row for row in curated_rows()}
    added = [row for identity, row in shipped.items() if identity not in held]
    return added, [row for identity, row in held.items() if identity not in shipped]


def _identity(row: PriceRow) -> tuple[object, ...]:
    return (*price_key(row), *price_value(row))
