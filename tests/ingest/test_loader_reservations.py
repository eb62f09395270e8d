"""What budgets lost to calls lands with them: held while they run, spent when they are over, once."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.limits.journal import grant_said
from ingest.loader import LoaderResult, run_loader
from ingest.settings import Settings
from ingest.spool.records import End, Start
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count
from tests.ingest.spool_calls import end, start, write

Connection = psycopg.Connection[TupleRow]
Load = Callable[..., LoaderResult]
ACCOUNTS = ("bud_1@2026-11", "bud_2@2026-11-23#0123456789abcdef01234567")


def started(usd: str = "0.25", *, number: int = 0) -> Start:
    return start(reserved=grant_said("epoch", number, dict.fromkeys(ACCOUNTS, usd)))


def ended(call: Start, usd: str) -> End:
    return end(call, spent=grant_said("epoch", 0, dict.fromkeys(ACCOUNTS, usd)))


def landed(connection: Connection) -> list[TupleRow]:
    query = "select accounts, reserved_usd, spent_usd, is_presumed from raw.reservations order by call_id"
    found = connection.execute(query).fetchall()
    connection.rollback()
    return found


async def test_a_running_call_holds_its_reserve_and_spends_what_its_end_says(
    spool: Spool, load: Load, connection: Connection
) -> None:
    call = started()
    await write(spool, call)
    load()
    assert landed(connection) == [([*ACCOUNTS], Decimal("0.25"), None, False)]
    assert count(connection, "raw.dirty_hours") == 0

    await write(spool, ended(call, "0.000000000001"))
    assert load() == LoaderResult(landed=1)

    spent = [([*ACCOUNTS], Decimal("0.25"), Decimal("0.000000000001"), False)]
    assert landed(connection) == spent
    n_marks = count(connection, "raw.dirty_hours where stage = 'calls'")
    assert n_marks == 2
    assert load(replay=True) == LoaderResult(already_there=1)
    assert landed(connection) == spent
    assert count(connection, "raw.dirty_hours") == n_marks


async def test_a_call_that_no_budget_stands_over_has_no_row(
    spool: Spool, load: Load, connection: Connection
) -> None:
    call = start()
    await write(spool, call, end(call))
    assert load() == LoaderResult(landed=1)
    assert landed(connection) == []


async def test_a_call_whose_proxy_is_gone_has_spent_its_reserve_until_an_end_says_otherwise(
    spool: Spool,
    load: Load,
    warehouse: DatabaseUrl,
    connection: Connection,
    tmp_path: Path,
) -> None:
    call = started()
    await write(spool, call)
    load()
    copy = tmp_path / "copy of a living spool"
    shutil.copytree(spool.directory, copy)
    run_loader(Settings(home=tmp_path / "elsewhere"), warehouse, adopt=copy)
    assert landed(connection) == [([*ACCOUNTS], Decimal("0.25"), Decimal("0.25"), True)]

    await write(spool, ended(call, "0.1"))
    load()
    assert landed(connection) == [([*ACCOUNTS], Decimal("0.25"), Decimal("0.1"), False)]

    # The copy knows of no end; it must not bring the presumed one back.
    run_loader(Settings(home=tmp_path / "elsewhere"), warehouse, adopt=copy, replay=True)
    assert landed(connection) == [([*ACCOUNTS], Decimal("0.25"), Decimal("0.1"), False)]


async def test_an_end_that_says_nothing_of_money_leaves_the_reserve_spent(
    spool: Spool, load: Load, connection: Connection
) -> None:
    call = started("0.5")
    await write(spool, call, end(call))
    load()
    assert landed(connection) == [([*ACCOUNTS], Decimal("0.5"), Decimal("0.5"), True)]


async def test_a_call_of_a_time_that_cannot_land_takes_no_other_down(
    spool: Spool, load: Load, connection: Connection
) -> None:
    said = grant_said("epoch", 1, dict.fromkeys(ACCOUNTS, "1"))
    early = start(call_id=UUID("00000000-0001-7000-8000-000000000001"), started_at_ns=10**6, reserved=said)
    good = started()
    await write(spool, early, ended(early, "1"), good, ended(good, "0.1"))
    assert load() == LoaderResult(landed=1, rejected=1)
    assert [row[2] for row in landed(connection)] == [Decimal("0.1")]
