"""What the loader deletes of the spool: loaded segments by their age or past the cap, and nothing else."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import LoaderResult, run_loader
from ingest.loading import drain
from ingest.loading.salvage import read_batch
from ingest.settings import Settings
from ingest.spool.reader import Batch, Segment, list_segments
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count
from tests.ingest.spool_calls import end, start, write


async def sealed_segments(settings: Settings, number: int) -> list[Path]:
    """A spool of so many sealed segments with a call each, whose proxy is gone; oldest first."""
    for _ in range(number):
        spool = Spool(settings.spool)
        call = start()
        await write(spool, call, end(call))
        spool.close()
    return paths(settings)


def paths(settings: Settings) -> list[Path]:
    return [segment.path for segment in list_segments(settings.spool)]


async def test_sealed_segments_go_once_they_are_loaded(settings: Settings, warehouse: DatabaseUrl) -> None:
    written = await sealed_segments(settings, 1)
    run_loader(replace(settings, spool_keep_hours=1), warehouse, once=True)
    assert paths(settings) == written
    run_loader(replace(settings, spool_keep_hours=0), warehouse, once=True)
    assert paths(settings) == []


async def test_past_the_cap_the_oldest_loaded_segments_go_early(
    settings: Settings, warehouse: DatabaseUrl, connection: psycopg.Connection[TupleRow]
) -> None:
    written = await sealed_segments(settings, 5)
    newest = sum(path.stat().st_size for path in written[-2:])

    capped = replace(settings, spool_keep_bytes=newest)
    assert run_loader(capped, warehouse, once=True) == LoaderResult(landed=5)

    assert paths(settings) == written[-2:]
    assert count(connection, "raw.llm_calls where status = 'ok'") == 5
    run_loader(replace(settings, spool_keep_bytes=newest - 1), warehouse, once=True)
    assert paths(settings) == written[-1:]


async def test_a_segment_that_is_not_loaded_stays_however_small_the_cap(
    settings: Settings, warehouse: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = await sealed_segments(settings, 3)
    seen = list[list[Path]]()

    def read(segment: Segment, *, after_seq: int) -> Batch:
        if segment.path == written[1]:
            seen.append(paths(settings))
            if len(seen) == 1:
                return Batch(replace(segment, fault="unreadable: database is locked"), (), is_end=True)
        return read_batch(segment, after_seq=after_seq)

    monkeypatch.setattr(drain, "read_batch", read)
    result = run_loader(replace(settings, spool_keep_bytes=0), warehouse, once=True)

    assert seen == [written, written[1:]], "the first pass deleted what it had loaded, and nothing behind it"
    assert result == LoaderResult(landed=3)
    assert paths(settings) == []


async def test_the_segment_being_written_stays_however_small_the_cap(
    settings: Settings, spool: Spool, warehouse: DatabaseUrl
) -> None:
    calls = start(), start()
    await write(spool, calls[0], end(calls[0]))
    capped = replace(settings, spool_keep_bytes=0)
    assert run_loader(capped, warehouse, once=True) == LoaderResult(landed=1)
    assert len(paths(settings)) == 1
    await write(spool, calls[1], end(calls[1]))
    assert run_loader(capped, warehouse, once=True) == LoaderResult(landed=1)


async def test_a_capped_spool_that_is_adopted_loses_nothing(
    settings: Settings, warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    written = await sealed_segments(settings, 2)
    here = Settings(home=tmp_path / "another machine", spool_keep_hours=0, spool_keep_bytes=0)
    assert run_loader(here, warehouse, adopt=settings.spool) == LoaderResult(landed=2)
    assert paths(settings) == written
