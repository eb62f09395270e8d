"""Rows of `cost.prices`, written and superseded but never overwritten, and the marks that a change leaves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.pricing.rows import PriceRow

PRICES = "cost.prices"

CURRENT: LiteralString = """
select
    id, provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, currency, valid_from,
    valid_to, recorded_at, superseded_at, source, price_version
from cost.prices
where superseded_at is null
"""

ADD: LiteralString = """
insert into cost.prices (
    provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, currency, valid_from,
    valid_to, recorded_at, source, price_version
) values (
    %(provider)s, %(model)s, %(match)s, %(bucket)s, %(usd_per_million)s, %(min_input_tokens)s,
    %(service_tier)s, %(currency)s, %(valid_from)s, %(valid_to)s, statement_timestamp(), %(source)s,
    %(price_version)s
)
"""

MARK_AFFECTED: LiteralString = """
insert into raw.dirty_hours (hour, stage)
select distinct date_trunc('hour', charges.started_at, 'UTC') as hour, 'prices'
from cost.charges
inner join unnest(
    %(providers)s::text[], %(models)s::text[], %(froms)s::timestamptz[], %(tos)s::timestamptz[]
) as changed (provider, model, valid_from, valid_to)
    on charges.provider = changed.provider
    and charges.model = changed.model
    and charges.started_at >= changed.valid_from
    and (changed.valid_to is null or charges.started_at < changed.valid_to)
where charges.started_at >= %(from)s and (%(to)s::timestamptz is null or charges.started_at < %(to)s)
order by hour
"""


def current_rows(connection: Connection[TupleRow]) -> list[PriceRow]:
    """All rows that nothing has superseded."""
    with connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        return cursor.execute(CURRENT).fetchall()


def supersede_rows(connection: Connection[TupleRow], rows: Iterable[PriceRow]) -> None:
    """End what was known, in the caller's transaction."""
    connection.execute(
        "update cost.prices set superseded_at = statement_timestamp() where id = any(%s)",
        ([row.id for row in rows],),
    )


def add_rows(connection: Connection[TupleRow], rows: Sequence[PriceRow], *, default_source: str = "") -> None:
    """Add rows under one new version of the book, recorded now, in the caller's transaction."""
    version = connection.execute("select nextval('cost.price_versions')").fetchone()
    names = ("provider", "model", "match", "bucket", "usd_per_million", "min_input_tokens", "service_tier")
    names += ("currency", "valid_from", "valid_to")
    with connection.cursor() as cursor:
        cursor.executemany(
            ADD,
            [
                {name: getattr(row, name) for name in names}
                | {"source": row.source or default_source, "price_version": version[0] if version else 0}
                for row in rows
            ],
        )


def mark_charges(
    connection: Connection[TupleRow], changed: Iterable[tuple[str, str, datetime, datetime | None]]
) -> int:
    """Mark the hours holding charges of each (provider, model, from, to), in the caller's transaction;
    returns their number. Reads the charges between the first and the last of these times once."""
    given = list(changed)
    if not given:
        return 0
    providers, models, froms, tos = zip(*given, strict=True)
    ends = [end for end in tos if end is not None]
    return connection.execute(
        MARK_AFFECTED,
        {
            "providers": list(providers),
            "models": list(models),
            "froms": list(froms),
            "tos": list(tos),
            "from": min(froms),
            "to": max(ends) if len(ends) == len(tos) else None,
        },
    ).rowcount
