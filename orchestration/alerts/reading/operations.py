"""What waits or was refused on the way into the marts."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.reading.types import Group, Sums, Window

HELD: LiteralString = """
select windows.number, count(held.hour)
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality
    as windows (window_start, window_end, number)
left join evaluation.held_hours as held on held.failed_at < windows.window_end
group by 1
"""
DEAD: LiteralString = """
select windows.number, dead.reason, count(*)
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality
    as windows (window_start, window_end, number)
inner join raw.dead_letters as dead
    on dead.dead_at >= windows.window_start and dead.dead_at < windows.window_end
group by 1, 2
"""


def held_hours(
    connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Hours that the refresh leaves out, because they alone make dbt fail; as of now."""
    found: list[dict[Group, Sums]] = [{} for _ in windows]
    for number, n in connection.execute(HELD, _bounds(windows)):
        found[number - 1][()] = Sums(n, 1.0, value=float(n))
    return found


def dead_letters(
    connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Records that could not be landed, by reason."""
    found: list[dict[Group, Sums]] = [{} for _ in windows]
    for number, reason, n in connection.execute(DEAD, _bounds(windows)):
        found[number - 1][(("reason", reason),)] = Sums(n, 1.0, n=n, value=float(n))
    return found


def _bounds(windows: Sequence[Window]) -> dict[str, list[object]]:
    return {"starts": [start for start, _ in windows], "ends": [end for _, end in windows]}
