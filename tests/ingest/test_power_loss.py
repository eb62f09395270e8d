"""The power goes at any moment: strict loses nothing, process at most what was not sealed, and says so.

A writer's writes and syncs are noted. Then, for many moments, the disk is rebuilt as a cut at that moment may
leave it: what was synced, and of every page and name that was not, any part. A proxy starts on what is left.
"""

import subprocess
import sys
import textwrap
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from ingest.spool import owner
from ingest.spool.reader import list_segments, read_records
from ingest.spool.writer import Spool
from tests.ingest.io_shim import Disk, Note, make_disk, read_trace
from tests.ingest.power_cut import DiskModel

CUTS = 60
WRITER = """
import asyncio, os, sys
from pathlib import Path
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import end, start

async def main():
    root = Path(sys.argv[1])
    acks = os.open(root / "acks", os.O_WRONLY | os.O_CREAT)
    spool = Spool(root / "spool", durability=sys.argv[2], rotate_bytes=150_000)

    async def call(number):
        asked = start(request=bytes(400_000) if number % 20 == 7 else bytes(1500))
        for record in (asked, end(asked)):
            await spool.append(record)
            os.write(acks, f"{type(record).__name__} {asked.call_id} {spool._log._live.number}\\n".encode())

    for first in range(0, 240, 6):
        await asyncio.gather(*(call(first + n) for n in range(6)))
    if sys.argv[3] == "closed":
        spool.close()
    os._exit(0)

asyncio.run(main())
"""


@pytest.fixture(params=["process", "strict"])
def durability(request: pytest.FixtureRequest) -> str:
    return request.param


def traced(disk: Disk, durability: str, *, end: str) -> list[Note]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(disk.root), durability, end]
    subprocess.run(command, check=True, env=disk.environ)
    return [*read_trace(disk.trace)]


def test_the_power_goes_at_any_moment(
    tmp_path: Path, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = make_disk(tmp_path)
    notes = traced(disk, durability, end="running")
    monkeypatch.setattr(owner, "boot_id", lambda: "the next start")
    rng = Random(11)
    first = next(place for place, note in enumerate(notes) if note.path.endswith("acks"))
    moments = sorted(rng.sample(range(first, len(notes)), CUTS))
    model, acked, lossy = DiskModel(), dict[tuple[str, UUID], int](), 0
    for place, note in enumerate(notes):
        if note.path.endswith("acks"):
            for kind, call_id, number in (line.split() for line in note.data.decode().splitlines()):
                acked[kind, UUID(call_id)] = int(number)
        else:
            model.take(note)
        if moments and place == moments[0]:
            moments.pop(0)
            target = tmp_path / f"cut-{place}"
            model.write_after_cut(target, root=disk.root, rng=rng)
            lossy += check(target / "spool", acked, is_strict=durability == "strict")
    assert not moments
    assert (lossy > 0) == (durability == "process"), "a test of losses that meets none shows nothing"


def check(spool: Path, acked: dict[tuple[str, UUID], int], *, is_strict: bool) -> bool:
    """Whether acknowledged records are lost; then some segment must say so, and none before may lack any."""
    Spool(spool).close()
    found, faults = set[tuple[str, UUID]](), dict[int, str]()
    for segment in list_segments(spool):
        batch = read_records(segment, limit=10**6)
        if fault := batch.segment.fault:
            faults[segment.number] = fault
        for entry in batch.entries:
            if entry.record is not None and entry.error is None:
                found.add((type(entry.record).__name__, entry.record.call_id))
            else:
                faults[segment.number] = entry.error or ""
    lost = {number for record, number in acked.items() if record not in found}
    if is_strict:
        assert not lost, f"strict lost records of the segments {lost}; faults {faults}"
        return False
    assert not lost or faults, f"records of the segments {lost} are lost without a word"
    assert all(number >= min(faults) for number in lost), (lost, faults)
    return bool(lost)


def test_a_closed_spool_survives_any_cut_whole(tmp_path: Path, durability: str) -> None:
    disk = make_disk(tmp_path)
    model = DiskModel()
    notes = traced(disk, durability, end="closed")
    for note in notes:
        if not note.path.endswith("acks"):
            model.take(note)
    model.write_after_cut(tmp_path / "cut", root=disk.root, rng=Random(3))
    acked = b"".join(note.data for note in notes if note.path.endswith("acks")).decode().splitlines()
    found = 0
    for segment in list_segments(tmp_path / "cut" / "spool"):
        batch = read_records(segment, limit=10**6)
        assert batch.segment.fault is None
        assert batch.segment.is_sealed
        found += sum(entry.error is None for entry in batch.entries)
    assert found == len(acked)
