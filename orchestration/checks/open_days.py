"""`evaluation.day_checks`: what each check said of each day, and which days go on downstream."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import psycopg
from psycopg.types.json import Jsonb

from orchestration.partitions import range_window
from orchestration.windows import Window, days_of, merge

STRUCTURE = "structure"

UPSERT = """
insert into evaluation.day_checks (day, check_name, passed, n, severity, details)
values (%s, %s, %s, %s, %s, %s)
on conflict (day, check_name) do update set
    passed = excluded.passed,
    n = excluded.n,
    severity = excluded.severity,
    details = excluded.details,
    checked_at = excluded.checked_at
"""

BLOCKED = """
select day from evaluation.day_checks
where day = any(%s) and check_name = %s and severity = 'error' and not passed
"""


@dataclass(frozen=True, slots=True)
class DayCheck:
    """One check of one day: `n` rows fail it; `call_ids` are at most 20 of them."""

    day: date
    name: str
    passed: bool
    n: int
    severity: Literal["error", "warn"]
    call_ids: tuple[str, ...] = ()
    details: Mapping[str, float | int | str] = field(default_factory=dict[str, float | int | str])


def record(connection: psycopg.Connection, checks: Iterable[DayCheck]) -> None:
    """Write what the checks said; a second run of the same check replaces its row."""
    rows = [
        (c.day, c.name, c.passed, c.n, c.severity, Jsonb({**c.details, "call_ids": list(c.call_ids)}))
        for c in checks
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(UPSERT, rows)


def open_windows(connection: psycopg.Connection, window: Window) -> list[Window]:
    """The window without its blocked days: a day whose structure is broken holds up nobody but itself."""
    days = days_of([window])
    blocked = {row[0] for row in connection.execute(BLOCKED, (days, STRUCTURE))}
    return _windows([day for day in days if day not in blocked])


def _windows(days: Sequence[date]) -> list[Window]:
    return merge(range_window(day, day) for day in days)
