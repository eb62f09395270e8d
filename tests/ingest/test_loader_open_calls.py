"""Calls without an END: they wait while their proxy lives, and land as interrupted once it is gone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import LoaderResult, run_loader
from ingest.loading.assembly import moment
from ingest.settings import Settings
from ingest.spool.records import Part
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count, rows
from tests.ingest.spool_calls import chunk, end, start, write

Connection = psycopg.Connection[TupleRow]


async def test_a_call_that_goes_on_waits_for_its_end(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    call = start(is_streamed=True)
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("Hel")))
    assert load() == LoaderResult()
    assert count(connection, "ingest.open_calls") == 2
    await write(spool, Part(call_id=call.call_id, number=2, response=chunk("lo, ")))
    assert load() == LoaderResult()
    await write(spool, end(call, response=chunk("you") + b"data: [DONE]\n\n"))
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text") == [("ok", "Hello, you")]
    assert count(connection, "ingest.open_calls") == 0


async def test_a_call_whose_proxy_is_gone_lands_as_interrupted_with_its_text(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    call = start(is_streamed=True)
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("half a sen")))
    load()
    spool.close()
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text, ended_at") == [("interrupted", "half a sen", None)]
    assert load() == LoaderResult()
    assert load(replay=True) == LoaderResult(already_there=1)


async def test_the_next_proxy_of_a_spool_does_not_keep_old_calls_open(
    settings: Settings, spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    old, new = start(), start()
    await write(spool, old)
    load()
    spool.close()
    successor = Spool(settings.spool)
    await write(successor, new)
    assert load() == LoaderResult(landed=1)
    assert rows(connection) == [(old.call_id, "interrupted")]
    await write(successor, end(new))
    assert load() == LoaderResult(landed=1)
    successor.close()
    assert rows(connection) == [(old.call_id, "interrupted"), (new.call_id, "ok")]


async def test_a_late_end_completes_a_call_that_was_given_up(
    spool: Spool,
    load: Callable[..., LoaderResult],
    warehouse: DatabaseUrl,
    connection: Connection,
    tmp_path: Path,
) -> None:
    call = start(is_streamed=True, observer={"project": "shop"})
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("Hello, ")))
    load()
    copy = tmp_path / "copy of a living spool"
    shutil.copytree(spool.directory, copy)
    assert run_loader(Settings(home=tmp_path / "elsewhere"), warehouse, adopt=copy) == LoaderResult(landed=1)
    assert rows(connection) == [(call.call_id, "interrupted")]
    await write(spool, end(call, response=chunk("you")))
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text, project") == [("ok", "Hello, you", "shop")]


async def test_the_watermark_follows_the_spool_and_waits_for_open_calls(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    query = "select low_watermark, retired_at is null from ingest.spools"
    spool.start_beating()
    load()
    first = connection.execute(query).fetchall()
    connection.rollback()
    call = start()
    await write(spool, call)
    spool.start_beating()
    load()
    ((second, is_live),) = connection.execute(query).fetchall()
    connection.rollback()
    assert is_live
    assert first[0][0] <= second <= moment(call.started_at_ns)
    spool.close()
    load()
    ((third, is_live),) = connection.execute(query).fetchall()
    assert third > moment(call.started_at_ns)
    assert not is_live


async def test_a_spool_whose_disk_is_lost_is_given_up_by_its_id_alone(
    spool: Spool,
    load: Callable[..., LoaderResult],
    warehouse: DatabaseUrl,
    connection: Connection,
    tmp_path: Path,
) -> None:
    call = start(is_streamed=True)
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("half")))
    load()
    assert count(connection, "ingest.spools where retired_at is null") == 1
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "spool_id").write_text(f"{spool.spool_id}\n")

    given_up = run_loader(Settings(home=tmp_path / "elsewhere"), warehouse, adopt=stand_in)

    assert given_up == LoaderResult(landed=1)
    assert rows(connection, "call_id, status, output_text") == [(call.call_id, "interrupted", "half")]
    assert count(connection, "ingest.spools where retired_at is not null") == 1
