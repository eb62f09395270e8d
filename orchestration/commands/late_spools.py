"""Spools that hold days open: the host died, the folder was left behind, or a call never ends."""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.settings import Settings
from ingest.spool.folders import spool_folders
from ingest.spool.reader import read_spool_id
from orchestration.windows import DAY, day_window, merge

# Yesterday is closed at 02:00 UTC: before that no spool is late.
CLOSED_AFTER = timedelta(hours=26)
# A loader looks at its spool every half second; while Postgres is away it pauses for seconds.
SEEN_RECENTLY = timedelta(minutes=10)
MOST_RANGES = 3

# A spool that has never reported a watermark may hold calls of any day. A loader that is far behind sees its
# spool only when it is through, but moves its segments.
LATE = """
select spools.spool_id, spools.host, spools.path, spools.low_watermark,
    greatest(
        spools.seen_at,
        (select max(updated_at) from ingest.segments where segments.spool_id = spools.spool_id)
    ),
    held.days
from ingest.spools
cross join lateral (
    select array_agg(moment::date order by moment)
    from generate_series(
        (coalesce(low_watermark, (select min(started_at) from raw.llm_calls)) at time zone 'UTC')::date,
        %(last)s::date,
        interval '1 day'
    ) as series (moment)
    where moment::date >= %(start)s and not exists (
        select from evaluation.day_closes
        where day = moment::date and (reopened_at is null or reopened_at < closed_at)
    )
) as held (days)
where spools.retired_at is null and held.days is not null
order by spools.low_watermark nulls first, spools.host, spools.path
"""


@dataclass(frozen=True, slots=True)
class LateSpool:
    """A spool that is not retired, and the UTC days that its watermark keeps from closing.

    `since` is the watermark (None: it never reported one), `seen_at` when a loader last was at it.
    """

    spool_id: UUID
    host: str
    path: str
    since: datetime | None
    seen_at: datetime
    days: tuple[date, ...]


def late_spools(connection: Connection[TupleRow], *, start: date, now: datetime) -> list[LateSpool]:
    """The spools that hold days from `start` on open whose time to be closed has come, the latest first."""
    last = (now.astimezone(UTC) - CLOSED_AFTER).date()
    rows = connection.execute(LATE, {"start": start, "last": last}).fetchall()
    return [LateSpool(*rest, days=tuple(days)) for *rest, days in rows]


def describe(spool: LateSpool, *, settings: Settings, now: datetime) -> str:
    """One line: which spool, since when, which days it holds open, and what to do."""
    since = (
        "it never reported a watermark" if spool.since is None else f"its watermark is {_time(spool.since)}"
    )
    return (
        f"{spool.host}:{spool.path} holds {_ranges(spool.days)} open: {since}, a loader was last at it"
        f" {_time(spool.seen_at)}; {_advice(spool, settings=settings, now=now)}"
    )


def _advice(spool: LateSpool, *, settings: Settings, now: datetime) -> str:
    if now - spool.seen_at < SEEN_RECENTLY:
        return "its loader is behind, or a call is still open"
    if any(_is_in(folder, spool) for folder in spool_folders(settings.spool)):
        return "run `lqo up`, or `lqo loader --once`"
    adopt = f"`lqo loader --adopt {shlex.quote(spool.path)}`"
    if _is_in(Path(spool.path), spool):
        return f"run {adopt}"
    return f"on {spool.host}, or wherever its folder is now: {adopt}"


def _is_in(directory: Path, spool: LateSpool) -> bool:
    """Whether the folder is that spool: a path may mean another one on another machine."""
    with suppress(OSError, ValueError):
        return read_spool_id(directory) == str(spool.spool_id)
    return False


def _ranges(days: Sequence[date]) -> str:
    windows = merge(day_window(day) for day in days)
    firsts_and_lasts = [(window.start.date(), (window.end - DAY).date()) for window in windows]
    told = [f"{first} to {last}" if first < last else f"{first}" for first, last in firsts_and_lasts]
    more = ["…"] if len(told) > MOST_RANGES else []
    text = ", ".join([*told[:MOST_RANGES], *more])
    return text if len(days) == 1 else f"{text} ({len(days)} days)"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
