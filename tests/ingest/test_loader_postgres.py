"""Postgres fails under a loader: it waits or goes on, every call lands once, and a gap is told."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.landing import fresh
from ingest.landing.land import LandingResult
from ingest.landing.loads import count_load
from ingest.loader import LoaderResult, run_loader
from ingest.loading import batch
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count
from tests.ingest.spool_calls import end, start, wait_for, write

CALLS = 50


@pytest.fixture
async def filled(spool: Spool) -> Spool:
    for _ in range(CALLS):
        call = start()
        await write(spool, call, end(call))
    return spool


def whole(connection: Connection[TupleRow]) -> bool:
    return count(connection, "raw.llm_calls where status = 'ok'") == CALLS


@contextmanager
def running_loader(settings: Settings, url: DatabaseUrl) -> Iterator[list[LoaderResult]]:
    """A loader in a thread, as a service runs it; what it did stands in the list at the end."""
    stop, results = threading.Event(), list[LoaderResult]()
    thread = threading.Thread(target=lambda: results.append(run_loader(settings, url, stop=stop)))
    thread.start()
    try:
        yield results
    finally:
        stop.set()
        thread.join(30)


def alter(url: DatabaseUrl, setting: str) -> None:
    with connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} " + setting).format(name))  # pyright: ignore[reportArgumentType]


async def test_a_connection_cut_in_the_middle_of_a_copy(
    filled: Spool,
    settings: Settings,
    warehouse: DatabaseUrl,
    connection: Connection[TupleRow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = list[int]()

    def send(cursor: psycopg.Cursor[TupleRow], *rest: object) -> None:
        if len(cut) < 2:
            cut.append(cursor.connection.info.backend_pid)
            with connect(warehouse, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", [cut[-1]])
        return original(cursor, *rest)  # pyright: ignore[reportArgumentType]

    original = fresh.send
    monkeypatch.setattr(fresh, "send", send)
    with running_loader(settings, warehouse):
        wait_for(lambda: whole(connection))
    assert len(set(cut)) == 2
    assert count(connection, "raw.dead_letters") == 0


async def test_a_lock_on_the_table_is_waited_for(
    filled: Spool, settings: Settings, warehouse: DatabaseUrl, connection: Connection[TupleRow]
) -> None:
    waiting = "pg_stat_activity where wait_event_type = 'Lock' and application_name = 'lqo loader'"
    with connect(warehouse) as locking:
        locking.execute("lock table raw.llm_calls in access exclusive mode")
        with running_loader(settings, warehouse):
            wait_for(lambda: count(connection, waiting) == 1)
            locking.rollback()
            wait_for(lambda: whole(connection))


@pytest.mark.parametrize(
    ("hindrance", "relief"),
    [
        ("set default_transaction_read_only = on", "reset default_transaction_read_only"),
        ("connection limit 0", "connection limit -1"),
    ],
    ids=["a standby", "too many connections"],
)
async def test_a_server_that_takes_nothing_for_a_while_is_waited_for(  # noqa: PLR0917
    filled: Spool,
    settings: Settings,
    warehouse: DatabaseUrl,
    maintenance_url: DatabaseUrl,
    connection: Connection[TupleRow],
    caplog: pytest.LogCaptureFixture,
    hindrance: str,
    relief: str,
) -> None:
    admin = maintenance_url.with_database(connection.info.dbname)
    alter(warehouse, hindrance)
    with running_loader(settings, warehouse):
        wait_for(lambda: "the spool waits for the database" in caplog.text)
        assert count(connection, "raw.llm_calls") == 0
        with connect(admin, autocommit=True) as relieving:
            relieving.execute("set default_transaction_read_only = off")
            name = sql.Identifier(relieving.info.dbname)
            relieving.execute(sql.SQL("alter database {} " + relief).format(name))  # pyright: ignore[reportArgumentType]
        wait_for(lambda: whole(connection))


async def test_a_time_limit_for_statements_does_not_hold_for_a_loader(
    filled: Spool, settings: Settings, warehouse: DatabaseUrl, connection: Connection[TupleRow]
) -> None:
    alter(warehouse, "set statement_timeout = '1ms'")
    run_loader(settings, warehouse, once=True)
    assert whole(connection)


@pytest.mark.parametrize("error", [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure])
async def test_a_transaction_that_lost_to_another_is_run_again(
    filled: Spool,
    load: Callable[..., LoaderResult],
    connection: Connection[TupleRow],
    monkeypatch: pytest.MonkeyPatch,
    error: type[psycopg.Error],
) -> None:
    failures = [error("twice"), error("in a row")]

    def fail_twice(
        connection: Connection[TupleRow], load_id: object, landing: LandingResult, *, refused: int
    ) -> None:
        if failures:
            raise failures.pop()
        count_load(connection, load_id, landing, refused=refused)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(batch, "count_load", fail_twice)
    assert load() == LoaderResult(landed=CALLS)
    assert not failures
    assert whole(connection)


async def test_two_loaders_of_one_spool_land_every_call_once(
    filled: Spool, settings: Settings, warehouse: DatabaseUrl, connection: Connection[TupleRow]
) -> None:
    filled.close()
    with ThreadPoolExecutor(2) as threads:
        racing = [threads.submit(run_loader, settings, warehouse, once=True) for _ in range(2)]
        done = [each.result() for each in racing]
    assert sum(each.landed for each in done) == CALLS
    assert whole(connection)


async def test_an_empty_database_gets_what_is_on_disk_and_is_told_what_is_not(
    settings: Settings,
    warehouse: DatabaseUrl,
    empty_database: DatabaseUrl,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = replace(settings, spool_keep_hours=0)
    for number in range(4):
        spool = Spool(settings.spool)
        call = start()
        await write(spool, call, end(call))
        spool.close()
        if number < 2:
            run_loader(settings, warehouse, once=True)
    migrate(empty_database)
    assert run_loader(settings, empty_database, once=True) == LoaderResult(landed=2, rejected=1)
    assert "segments 1 to 2 were deleted before this database had them" in caplog.text
    assert run_loader(settings, empty_database, once=True) == LoaderResult()
    with connect(empty_database) as connection:
        letters = connection.execute("select reason, detail from raw.dead_letters").fetchall()
    assert [reason for reason, _ in letters] == ["missing_segments"]


async def test_the_database_that_had_everything_is_told_of_no_gap(
    settings: Settings, warehouse: DatabaseUrl, connection: Connection[TupleRow]
) -> None:
    settings = replace(settings, spool_keep_hours=0)
    for _ in range(3):
        spool = Spool(settings.spool)
        call = start()
        await write(spool, call, end(call))
        spool.close()
        assert run_loader(settings, warehouse, once=True) == LoaderResult(landed=1)
    assert count(connection, "raw.dead_letters") == 0
