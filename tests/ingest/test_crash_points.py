"""kill -9 at every step of spool, recovery and loader: what was acknowledged lands, each call once."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.bodies import body_names
from ingest.spool.reader import list_segments
from ingest.spool.writer import Spool
from tests.ingest import crash_child
from tests.ingest.spool_calls import entries_in

KILLED = -9
Acknowledged = set[tuple[str, UUID]]

WRITING = [
    ("ingest.spool.segment:OpenSegment.commit:before", 30),
    ("ingest.spool.segment:OpenSegment.commit:after", 30),
    ("ingest.spool.large:write_body:before", 2),
    ("ingest.spool.large:write_body:after", 2),
    ("ingest.spool.keeper:Keeper.take:before", 3),
    ("ingest.spool.keeper:Keeper.take:after", 3),
    ("ingest.spool.keeper:Keeper.seal_later:after", 2),
    ("ingest.spool.segment:OpenSegment.seal:before", 2),
    ("ingest.spool.segment:_checkpoint:after", 4),
    ("ingest.spool.segment:_seal:after", 2),
    ("ingest.spool.keeper:create_segment:before", 3),
    ("ingest.spool.keeper:create_segment:after", 3),
    ("ingest.spool.segment:Path.rename:before", 3),
    ("ingest.spool.keeper:sync_directory:before", 3),
]
RECOVERING = [
    ("ingest.spool.recovery:recover_segment:before", 2),
    ("ingest.spool.recovery:recover_segment:after", 1),
    ("ingest.spool.segment:_frames_in_wal:after", 1),
    ("ingest.spool.segment:_checkpoint:before", 2),
    ("ingest.spool.recovery:_sweep:before", 1),
    ("ingest.spool.writer:spool_id:after", 1),
]
LOADING = [
    ("ingest.landing.fresh:send:after", 1),
    ("ingest.landing.fresh:send:after", 2),
    ("ingest.loading.batch:write_checkpoint:after", 2),
    ("ingest.loading.batch:count_load:after", 1),
    ("ingest.loading.turn:Turn.wait:after", 3),
    ("ingest.loading.drain:_unlink:before", 1),
    ("ingest.spool.retention:remove_files:before", 1),
    ("ingest.spool.retention:remove_files:after", 1),
    ("ingest.spool.retention:remove_bodies:before", 2),
]


def ids(points: list[tuple[str, int]]) -> list[str]:
    return [f"{point.split(':', 1)[1]} {nth}" for point, nth in points]


def crash(point: str, nth: int, *job: str) -> Acknowledged:
    """Run the child until it kills itself; what it acknowledged."""
    command = [sys.executable, crash_child.__file__, point, str(nth), *job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == KILLED, f"the point was never reached: {done.stderr[-2000:]}"
    words = (line.split() for line in done.stdout.splitlines())
    return {(kind, UUID(call_id)) for kind, call_id in words}


def held(directory: Path) -> Acknowledged:
    """Every record of a spool without faults, and each of them once."""
    found = [
        (type(entry.record).__name__, entry.record.call_id)
        for entry in entries_in(directory)
        if entry.record is not None and entry.error is None
    ]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize(("point", "nth"), WRITING, ids=ids(WRITING))
def test_a_spool_killed_at_any_step_holds_what_it_acknowledged(tmp_path: Path, point: str, nth: int) -> None:
    spool = Settings(home=tmp_path).spool
    acknowledged = crash(point, nth, "write", str(tmp_path))
    assert len(acknowledged) >= 5, "nothing was going on when it was killed"
    assert acknowledged <= held(spool), "a loader sees it before any recovery"
    Spool(spool).close()
    assert acknowledged <= held(spool)
    assert all(segment.is_sealed and segment.fault is None for segment in list_segments(spool))
    assert not [*spool.glob("*.draft*")]


@pytest.mark.parametrize(("point", "nth"), RECOVERING, ids=ids(RECOVERING))
def test_a_recovery_killed_at_any_step_is_finished_by_the_next(tmp_path: Path, point: str, nth: int) -> None:
    spool = Settings(home=tmp_path).spool
    acknowledged = crash("ingest.spool.segment:OpenSegment.commit:after", 60, "write", str(tmp_path))
    crash(point, nth, "write", str(tmp_path))
    Spool(spool).close()
    assert acknowledged <= held(spool)
    assert all(segment.is_sealed and segment.fault is None for segment in list_segments(spool))


@pytest.mark.parametrize(("point", "nth"), LOADING, ids=ids(LOADING))
def test_a_loader_killed_at_any_step_lands_every_call_once(
    tmp_path: Path, warehouse: DatabaseUrl, point: str, nth: int
) -> None:
    acknowledged = crash("ingest.spool.segment:OpenSegment.commit:after", 100, "write", str(tmp_path))
    Spool(Settings(home=tmp_path).spool).close()
    crash(point, nth, "load", str(tmp_path), warehouse.libpq())
    settings = Settings(home=tmp_path, spool_keep_hours=0)
    run_loader(settings, warehouse, once=True)
    with connect(warehouse) as connection:
        landed = dict(connection.execute("select call_id, status from raw.llm_calls").fetchall())
        left = connection.execute(
            "select (select count(*) from raw.dead_letters), (select count(*) from ingest.open_calls)"
        ).fetchone()
    assert {call_id for kind, call_id in acknowledged if kind == "Start"} <= landed.keys()
    assert {call_id for kind, call_id in acknowledged if kind == "End"} <= {
        call_id for call_id, status in landed.items() if status == "ok"
    }
    assert left == (0, 0)
    assert list_segments(settings.spool) == ()
    Spool(settings.spool).close()
    assert body_names(settings.spool) == set()
