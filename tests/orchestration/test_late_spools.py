"""`lqo doctor` and `lqo status` name the spools that hold days open, and say what to do."""

import os
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.reader import read_spool_id
from ingest.spool.writer import Spool
from orchestration.commands.late_spools import LateSpool, describe, late_spools
from tests.ingest.spool_calls import end, start, write
from tests.orchestration.seeding import DAY_START, add_calls
from tests.warm.python import warm_python

Connection = psycopg.Connection[TupleRow]
FIRST = DAY_START.date()
NOW = DAY_START + timedelta(days=3, hours=2)
"""02:00: the third of three days is to be closed."""


def days_after_first(*numbers: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=number) for number in numbers)


def add_spool(connection: Connection, watermark: datetime | None, *, host: str = "a") -> None:
    connection.execute(
        "insert into ingest.spools (spool_id, host, path, low_watermark) values (%s, %s, '/spool', %s)",
        (uuid4(), host, watermark),
    )


def held(connection: Connection, *, start: date = FIRST, now: datetime = NOW) -> dict[str, tuple[date, ...]]:
    return {spool.host: spool.days for spool in late_spools(connection, start=start, now=now)}


def test_a_spool_holds_open_every_day_its_watermark_has_not_passed(connection: Connection) -> None:
    add_spool(connection, DAY_START + timedelta(days=3), host="passed")
    add_spool(connection, DAY_START + timedelta(days=3, microseconds=-1), host="one")
    add_spool(connection, DAY_START, host="three")
    add_spool(connection, DAY_START - timedelta(days=9), host="from before the start")
    add_spool(connection, DAY_START, host="retired")
    connection.execute("update ingest.spools set retired_at = now() where host = 'retired'")

    assert held(connection) == {
        "from before the start": days_after_first(0, 1, 2),
        "three": days_after_first(0, 1, 2),
        "one": days_after_first(2),
    }
    assert next(iter(held(connection))) == "from before the start", "the latest comes first"
    assert held(connection, now=NOW - timedelta(seconds=1))["three"] == days_after_first(0, 1)
    assert "one" not in held(connection, now=NOW - timedelta(seconds=1)), "before 02:00 nothing is late"


def test_closed_days_are_not_held_open_and_reopened_ones_are(connection: Connection) -> None:
    add_spool(connection, DAY_START)
    close = "insert into evaluation.day_closes (day, n_calls, closed_at, reopened_at) values (%s, 0, %s, %s)"
    first, second, third = days_after_first(0, 1, 2)
    connection.execute(close, (first, NOW, None))
    connection.execute(close, (second, NOW, NOW + timedelta(hours=1)))
    connection.execute(close, (third, NOW, NOW - timedelta(hours=1)))

    assert held(connection) == {"a": (second,)}
    connection.execute("update evaluation.day_closes set reopened_at = null")
    assert held(connection) == {}


def test_a_spool_that_never_reported_holds_open_all_since_the_first_call(connection: Connection) -> None:
    add_spool(connection, None)
    assert held(connection) == {}
    add_calls(connection, 1, start=DAY_START + timedelta(days=1))
    assert held(connection) == {"a": days_after_first(1, 2)}


def test_progress_of_its_segments_counts_as_seen(connection: Connection) -> None:
    add_spool(connection, DAY_START)
    connection.execute("update ingest.spools set seen_at = %s", (DAY_START,))
    connection.execute(
        "insert into ingest.segments (segment_id, spool_id, number, updated_at) select %s, spool_id, 1, %s"
        " from ingest.spools",
        (uuid4(), NOW),
    )
    (late,) = late_spools(connection, start=FIRST, now=NOW)
    assert late.seen_at == NOW
    told = describe(late, settings=Settings(home=Path("/nowhere")), now=NOW + timedelta(minutes=9))
    assert told.endswith("its loader is behind, or a call is still open")


def late(path: Path, **changes: object) -> LateSpool:
    fields: dict[str, object] = {
        "spool_id": uuid4(),
        "host": "web-1",
        "path": str(path),
        "since": DAY_START,
        "seen_at": DAY_START,
        "days": days_after_first(0),
    }
    return LateSpool(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ((0,), f"{FIRST} open"),
        ((0, 1, 2), f"{FIRST} to {FIRST + timedelta(days=2)} (3 days) open"),
        ((0, 2, 4, 5), f"{FIRST}, {FIRST + timedelta(days=2)}, {FIRST + timedelta(days=4)} to"),
        ((0, 2, 4, 6), f"{FIRST}, {FIRST + timedelta(days=2)}, {FIRST + timedelta(days=4)}, … (4 days) open"),
    ],
)
def test_days_are_told_as_ranges(days: tuple[int, ...], told: str, tmp_path: Path) -> None:
    spool = late(tmp_path, days=days_after_first(*days))
    assert f"holds {told}" in describe(spool, settings=Settings(home=tmp_path), now=NOW)


def test_the_advice_follows_where_the_spool_is(tmp_path: Path) -> None:
    settings, beside = Settings(home=tmp_path / "home"), tmp_path / "left 한국어"
    for directory in (settings.spool, beside):
        Spool(directory).close()
    ours, left = (uuid_of(directory) for directory in (settings.spool, beside))

    def advice(spool: LateSpool) -> str:
        return describe(spool, settings=settings, now=NOW).partition("; ")[2]

    assert advice(late(settings.spool, spool_id=ours)) == "run `lqo up`, or `lqo loader --once`"
    assert advice(late(beside, spool_id=left)) == f"run `lqo loader --adopt '{beside}'`"
    elsewhere = "on web-1, or wherever its folder is now: `lqo loader --adopt "
    assert advice(late(beside)).startswith(elsewhere), "the folder of that name here is another spool"
    assert advice(late(tmp_path / "gone")).startswith(elsewhere)
    assert describe(late(beside, since=None), settings=settings, now=NOW).count("never reported a watermark")


def uuid_of(directory: Path) -> UUID:
    return UUID(read_spool_id(directory))


async def test_doctor_and_status_name_a_left_behind_spool_until_it_is_adopted(
    tmp_path: Path, warehouse: DatabaseUrl, connection: Connection
) -> None:
    left, died = tmp_path / "left behind", datetime.now(UTC) - timedelta(days=3)
    spool, call = Spool(left), start()
    run_loader(Settings(home=tmp_path / "dead"), warehouse, adopt=left)
    await write(spool, call, end(call))
    spool.close()
    connection.execute("update ingest.spools set low_watermark = %s, seen_at = %s", (died, died))
    connection.commit()

    doctor, status = lqo(warehouse, tmp_path, "doctor"), lqo(warehouse, tmp_path, "status")

    assert doctor.returncode == 1
    (named,) = [line for line in doctor.stdout.splitlines() if line.startswith("BAD  spool ")]
    (shown,) = [line for line in status.stdout.splitlines() if line.startswith("days held open ")]
    for line in (named, shown):
        assert f"{left} holds {died.date()} to " in line
        assert f"its watermark is {died:%Y-%m-%d %H:%M} UTC" in line
        assert line.endswith(f"run `lqo loader --adopt '{left}'`")
    assert "1 live (oldest watermark" in status.stdout

    assert lqo(warehouse, tmp_path, "loader", "--adopt", str(left)).returncode == 0

    assert "ok   spools                    none holds a day open" in lqo(warehouse, tmp_path, "doctor").stdout
    after = lqo(warehouse, tmp_path, "status").stdout
    assert "days held open" not in after
    assert "0 live, 1 retired" in after
    assert connection.execute("select count(*) from raw.llm_calls").fetchone() == (1,)


def lqo(url: DatabaseUrl, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python("lqo"), "-m", "orchestration", *arguments],
        env={**os.environ, "LQO_HOME": str(home), "DATABASE_URL": url.libpq()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
