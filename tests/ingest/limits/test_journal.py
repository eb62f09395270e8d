"""What budgets know after a restart: told by a file and a spool as a killed proxy leaves them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.limits.journal import FILE, GRANT, grant_said, open_ledger, save
from ingest.limits.ledger import Ledger, Spend, dollars
from ingest.spool.records import End, Start
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7

ACCOUNT = "bud@2026-11"


class Run:
    """One life of a proxy: calls that reserve, begin and end, or do not come so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = Spool(folder)
        self.ledger = open_ledger(folder)

    def committed(self) -> int:
        return self.ledger.committed(ACCOUNT)

    def reserve(self, amount: int) -> int:
        number = self.ledger.reserve([Spend(ACCOUNT, "key", "month", 10**9, amount, 0)])
        assert isinstance(number, int)
        return number

    async def start(self, number: int, amount: int) -> Start:
        call_id = uuid7()
        said = grant_said(self.ledger.epoch, number, {ACCOUNT: dollars(amount)})
        start = Start(
            call_id=call_id,
            started_at_ns=(call_id.int >> 80) * 1_000_000,
            endpoint="e",
            provider="p",
            requested_model="m",
            reserved=said,
        )
        await self.spool.append(start)
        return start

    def settle(self, start: Start, amount: int) -> End:
        """Settle in memory; the END still has to be written."""
        grant = start.reserved[GRANT]
        self.ledger.settle(int(grant.rpartition(":")[2]), amount=amount)
        return End(
            call_id=start.call_id,
            ended_at_ns=time.time_ns(),
            status="ok",
            spent={GRANT: grant, ACCOUNT: dollars(amount)},
        )

    async def call(self, reserved: int, *, spent: int | None) -> None:
        start = await self.start(self.reserve(reserved), reserved)
        if spent is not None:
            await self.spool.append(self.settle(start, spent))

    def save(self) -> None:
        save(self.folder / FILE, self.ledger.state())

    def kill(self) -> None:
        """What kill -9 leaves: nothing is saved any more."""
        self.spool.close()


Begin = Callable[[], Run]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[Run]]:
    opened: list[Run] = []
    yield opened
    for run in opened:
        run.spool.close()


@pytest.fixture
def begin(tmp_path: Path, runs: list[Run]) -> Begin:
    def begin_one() -> Run:
        runs.append(Run(tmp_path / "spool"))
        return runs[-1]

    return begin_one


async def test_what_was_spent_since_the_file_is_read_from_the_spool(begin: Begin) -> None:
    run = begin()
    await run.call(100, spent=30)
    await run.call(100, spent=20)
    run.kill()
    assert begin().committed() == 50


async def test_a_call_killed_before_its_end_owes_all_it_reserved(begin: Begin) -> None:
    run = begin()
    await run.call(100, spent=30)
    await run.call(70, spent=None)
    run.kill()
    assert begin().committed() == 100


async def test_a_call_killed_before_its_start_owes_nothing(begin: Begin) -> None:
    run = begin()
    run.reserve(70)
    run.kill()
    assert begin().committed() == 0


async def test_a_call_in_the_file_and_in_the_spool_counts_once(begin: Begin) -> None:
    run = begin()
    await run.call(100, spent=30)
    run.save()
    await run.call(100, spent=12)
    run.kill()
    assert begin().committed() == 42


async def test_a_call_open_in_the_file_counts_by_its_end(begin: Begin) -> None:
    run = begin()
    start = await run.start(run.reserve(100), 100)
    run.save()
    await run.spool.append(run.settle(start, 25))
    run.kill()
    assert begin().committed() == 25


async def test_a_call_open_in_the_file_without_an_end_owes_all(begin: Begin) -> None:
    run = begin()
    await run.start(run.reserve(100), 100)
    run.save()
    run.kill()
    assert begin().committed() == 100


async def test_a_file_saved_between_settling_and_the_end_counts_once(begin: Begin) -> None:
    run = begin()
    start = await run.start(run.reserve(100), 100)
    end = run.settle(start, 25)
    run.save()
    await run.spool.append(end)
    run.kill()
    assert begin().committed() == 25


async def test_restarts_alone_change_nothing(begin: Begin) -> None:
    run = begin()
    await run.call(100, spent=30)
    await run.call(70, spent=None)
    run.kill()
    for _ in range(3):
        run = begin()
        assert run.committed() == 100
        run.kill()


async def test_a_second_life_adds_to_the_first(begin: Begin) -> None:
    run = begin()
    await run.call(100, spent=30)
    run.kill()
    run = begin()
    await run.call(100, spent=5)
    run.kill()
    assert begin().committed() == 35


@pytest.mark.parametrize("damage", [None, b"", b'{"epoch": 7}', b"\xff\xfe"])
async def test_without_its_file_a_budget_is_what_the_whole_spool_says(
    begin: Begin, damage: bytes | None
) -> None:
    run = begin()
    await run.call(100, spent=30)
    run.kill()
    run = begin()
    await run.call(100, spent=4)
    run.kill()
    path = run.folder / FILE
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert begin().committed() == 34


async def test_amounts_in_the_spool_that_cannot_be_are_passed_over(begin: Begin) -> None:
    run = begin()
    start = await run.start(run.reserve(100), 100)
    end = run.settle(start, 0)
    spent = {
        GRANT: start.reserved[GRANT],
        ACCOUNT: "NaN",
        "b@2026-11": "-5",
        "c@2026-11": "x",
        "d@2026-11": "1",
    }
    await run.spool.append(End(call_id=end.call_id, ended_at_ns=1, status="ok", spent=spent))
    run.kill()
    assert set(begin().ledger.state().spent) == {"d@2026-11"}


def test_the_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    save(tmp_path / FILE, Ledger(epoch="e").state())
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_file_of_before_amounts_had_twelve_places_keeps_its_worth(tmp_path: Path) -> None:
    old = b'{"epoch":"e","next_grant":8,"spent":{"bud@2026-11":1500000000},"open":{"7":{"bud@2026-11":1}}}'
    (tmp_path / FILE).write_bytes(old)
    assert open_ledger(tmp_path).state().spent == {ACCOUNT: 1_500_000_001_000}
    assert open_ledger(tmp_path).state().spent == {ACCOUNT: 1_500_000_001_000}
