"""Calls that are open from one batch of a segment to the next: in memory, with the checkpoint before them."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loader import LoaderError, LoaderResult
from ingest.loading import carried, drain, salvage
from ingest.loading.batch import load_batch
from ingest.spool.records import Part
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count, rows
from tests.ingest.spool_calls import chunk, end, start, write

Connection = psycopg.Connection[TupleRow]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvage, "BATCH_RECORDS", 4)


async def interleaved(spool: Spool, *, calls: int, running: int) -> None:
    """Calls of which `running` are open at any time, each a stream of one part."""
    opened = [start(is_streamed=True) for _ in range(calls)]
    for number, call in enumerate(opened):
        await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("4")))
        if number >= running:
            await write(spool, end(opened[number - running], response=chunk("2")))
    await write(spool, *(end(call, response=chunk("2")) for call in opened[calls - running :]))


async def test_calls_that_span_batches_never_wait_in_the_warehouse(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = list[int]()
    monkeypatch.setattr(
        "ingest.loading.batch.keep_open", lambda connection, records, **_: kept.append(len([*records]))
    )
    await interleaved(spool, calls=20, running=7)
    assert load() == LoaderResult(landed=20)
    assert len(kept) > 10
    assert set(kept) == {0}
    assert {text for _, text in rows(connection, "call_id, output_text")} == {"42"}


async def test_many_open_calls_wait_in_the_warehouse_after_all(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_MOST_CALLS", 3)
    await interleaved(spool, calls=20, running=7)
    assert load() == LoaderResult(landed=20)
    assert {text for _, text in rows(connection, "call_id, output_text")} == {"42"}
    assert count(connection, "ingest.open_calls") == 0


async def test_a_loader_that_fails_between_batches_reads_the_open_calls_again(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await interleaved(spool, calls=20, running=7)
    batches = list[int]()

    def fail_at_the_ninth(*arguments: object, **options: object) -> None:
        batches.append(1)
        if len(batches) == 9:
            raise psycopg.errors.UndefinedColumn("no such column")
        load_batch(*arguments, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(drain, "load_batch", fail_at_the_ninth)
    with pytest.raises(LoaderError):
        load()
    before = count(connection, "raw.llm_calls")
    assert 0 < before < 20
    assert count(connection, "ingest.open_calls") == 0
    reached = connection.execute("select loaded_seq from ingest.segments").fetchone()
    connection.rollback()
    assert reached is not None
    assert reached[0] < 4 * 8, "the checkpoint waits for the oldest open call"

    again = load()
    assert again.landed == 20 - before
    assert {text for _, text in rows(connection, "call_id, output_text")} == {"42"}
    assert count(connection, "raw.llm_calls where status = 'ok'") == 20
    assert count(connection, "raw.dead_letters") == 0
