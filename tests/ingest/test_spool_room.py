"""The spool and the room it takes: what may be deleted, and what happens when the disk is full."""

from pathlib import Path

import pytest

from ingest.spool.reader import Segment, list_segments
from ingest.spool.retention import unlink_sealed
from ingest.spool.room import Levels
from ingest.spool.writer import Spool, SpoolRefusedError
from tests.ingest.spool_calls import end, entries_in, start, until


async def test_only_loaded_sealed_segments_of_enough_age_are_unlinked(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_bytes=1)
    sealed: list[Segment] = []
    while len(sealed) < 2:
        # A segment rotates only once the next one is ready: how many appends that takes is not ours to say.
        await spool.append(start())
        await until(lambda: spool.unsealed_segments == 0)
        sealed = [s for s in list_segments(tmp_path) if s.is_sealed]
    loaded = {s.uuid for s in sealed[:-1]}
    everyone = {s.uuid for s in list_segments(tmp_path)}
    assert unlink_sealed(tmp_path, loaded=everyone, keep_hours=1.0) == ()
    gone = unlink_sealed(tmp_path, loaded=loaded, keep_hours=0.0)
    assert set(gone) == {s.path for s in sealed[:-1]}
    spool.close()
    left = list_segments(tmp_path)
    assert unlink_sealed(tmp_path, loaded={s.uuid for s in left}, keep_hours=24, max_bytes=1) == tuple(
        s.path for s in left
    )


async def test_a_start_is_refused_while_the_disk_is_almost_full_and_ends_still_go_in(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    opened = start()
    await spool.append(opened)
    spool.room.levels = Levels(shed=0, refuse=1 << 62)
    spool.start_beating()
    with pytest.raises(SpoolRefusedError, match="almost full"):
        await spool.append(start())
    await spool.append(end(opened))
    spool.room.levels = Levels(shed=0, refuse=0)
    spool.start_beating()
    await spool.append(start())
    assert len(entries_in(tmp_path)) == 3
    assert spool.counters.refused == 1
    spool.close()


async def test_an_end_the_disk_refused_is_written_once_it_can_be(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    opened = start()
    await spool.append(opened)
    spool._log._live._connection.execute("pragma max_page_count = 1")
    with pytest.raises(SpoolRefusedError, match="full"):
        await spool.append(end(opened, response=bytes(100_000)))
    with pytest.raises(SpoolRefusedError, match="full"):
        await spool.append(start(request=bytes(100_000)))
    assert (spool.deferred_ends, spool.open_calls) == (1, 1)
    spool._log._live._connection.execute("pragma max_page_count = 1000000")
    spool.start_beating()
    assert (spool.deferred_ends, spool.open_calls) == (0, 0)
    assert [type(e.record).__name__ for e in entries_in(tmp_path)] == ["Start", "End"]
    spool.close()
