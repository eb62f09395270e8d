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

# One statement for all: a history of thousands of rows takes a part of a second.
ADD: LiteralString = """
insert into cost.prices (
    provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, currency, valid_from,
    valid_to, source, recorded_at, price_version
)
select given.*, %(at)s, %(price_version)s
from unnest(
    %(provider)s::text[], %(model)s::text[], %(match)s::text[], %(bucket)s::text[],
    %(usd_per_million)s::numeric[], %(min_input_tokens)s::bigint[], %(service_tier)s::text[],
    %(currency)s::text[], %(valid_from)s::timestamptz[], %(valid_to)s::timestamptz[], %(source)s::text[]
) as given
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


def supersede_rows(connection: Connection[TupleRow], rows: Iterable[PriceRow], *, at: datetime) -> None:
    """End what was known, in the caller's transaction."""
    connection.execute(
        "update cost.prices set superseded_at = %s where id = any(%s)", (at, [row.id for row in rows])
    )


def add_rows(
    connection: Connection[TupleRow], rows: Sequence[PriceRow], *, at: datetime, default_source: str = ""
) -> None:
    """Add rows under one new version of the book, recorded `at` that time, in the caller's transaction."""
    version = connection.execute("select nextval('cost.price_versions')").fetchone()
    names = ("provider", "model", "match", "bucket", "usd_per_million", "min_input_tokens", "service_tier")
    names += ("currency", "valid_from", "valid_to")
    given: dict[str, object] = {name: [getattr(row, name) for row in rows] for name in names}
    given["source"] = [row.source or default_source for row in rows]
    connection.execute(ADD, {**given, "at": at, "price_version": version[0] if version else 0})


def mark_charges(
    connection: Connection[TupleRow], changed: Iterable[tuple[str, str, datetime, datetime | None]]
) -> int:
    """Mark the hours holding charges of each (provider, model, from, to), in the caller's transaction;
    returns their number. Reads no other charges than these, and of these their index."""
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
