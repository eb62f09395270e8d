"""How fresh the marts are: stands on every page."""

from datetime import date, datetime

import msgspec
from psycopg.sql import SQL

from reports.api.warehouse import Warehouse

_QUERY = SQL(
    """
    select
        (select max(hour) from marts.calls_hourly) as newest_hour,
        (select coalesce(max(n_hours), 0) from marts.refresh_backlog) as n_hours_waiting,
        (select max(day) from marts.day_states where is_closed) as last_closed_day
    """
)


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """`newest_hour` is the newest hour that the marts know calls of, `n_hours_waiting` how many hours have
    changed since the last refresh, and `last_closed_day` the last day of which every call is in."""

    newest_hour: datetime | None
    n_hours_waiting: int
    last_closed_day: date | None


async def freshness(marts: Warehouse) -> Freshness:
    """As of now."""
    found = await marts.row(Freshness, _QUERY, {})
    assert found is not None
    return found
