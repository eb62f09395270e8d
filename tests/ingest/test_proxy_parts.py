"""The bytes of an answer on their way to the disk, whatever the disk does."""

import asyncio

from ingest.proxy import parts as module
from ingest.proxy.parts import Memory, Parts
from ingest.spool.records import Part, Record
from ingest.spool.writer import SpoolRefusedError
from ingest.uuid7 import uuid7
from tests.ingest.running_proxy import until

KEY = b"sk-secret-0123456789abcdefghij"


class SlowSpool:
    """Takes what it is given, and answers when the test says so."""

    def __init__(self) -> None:
        self.is_shedding = False
        self.given: list[tuple[Part, asyncio.Future[None]]] = []

    def append(self, record: Record) -> "asyncio.Future[None]":
        assert isinstance(record, Part)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.given.append((record, done))
        return done

    @property
    def written(self) -> bytes:
        return b"".join(part.response for part, done in self.given if not done.done() or not done.exception())


def parts_of(spool: SlowSpool, *, seconds: float = 60.0, size: int = 10, key: bytes | None = KEY) -> Parts:
    return Parts(spool, call_id=uuid7(), key=key, seconds=seconds, size=size)  # pyright: ignore[reportArgumentType]


async def test_a_key_cut_by_two_parts_is_in_neither() -> None:
    for cut in range(1, len(KEY)):
        spool = SlowSpool()
        parts = parts_of(spool, size=1)
        parts.add(b"before " + KEY[:cut])
        for _, done in spool.given:
            done.set_result(None)
        await asyncio.sleep(0)
        parts.add(KEY[cut:] + b" after")
        for _, done in spool.given[1:]:
            done.set_result(None)
        rest = parts.rest()
        assert spool.written + rest == b"before [key] after"
        assert all(KEY[:4] not in part.response for part, _ in spool.given)


async def test_what_only_looks_like_the_key_is_kept() -> None:
    spool = SlowSpool()
    parts = parts_of(spool, size=1)
    parts.add(b"this is sk-se")
    spool.given[0][1].set_result(None)
    await asyncio.sleep(0)
    parts.add(b"cond")
    assert spool.written + parts.rest() == b"this is sk-second"


async def test_bytes_that_came_while_the_disk_was_busy_are_written_without_any_more_coming() -> None:
    spool = SlowSpool()
    parts = parts_of(spool, seconds=0.01)
    parts.add(b"0123456789")
    parts.add(b"and more, more")
    assert len(spool.given) == 1
    await asyncio.sleep(0.05)
    assert len(spool.given) == 1
    spool.given[0][1].set_result(None)
    await until(lambda: len(spool.given) == 2)
    assert spool.given[1][0].response == b"and more, more"
    assert [part.number for part, _ in spool.given] == [1, 2]


async def test_a_refused_part_waits_for_the_next_under_its_number() -> None:
    spool = SlowSpool()
    parts = parts_of(spool, seconds=0.01)
    parts.add(b"0123456789")
    spool.given[0][1].set_exception(SpoolRefusedError("full"))
    await until(lambda: len(spool.given) == 2)
    assert (spool.given[1][0].response, spool.given[1][0].number) == (b"0123456789", 1)


async def test_bytes_that_no_disk_takes_do_not_fill_the_memory() -> None:
    spool = SlowSpool()
    parts = parts_of(spool)
    parts.add(b"0123456789")
    piece = bytes(1 << 20)
    for _ in range((module.MOST_WAITING >> 20) + 2):
        parts.add(piece)
    assert not parts.is_whole
    assert parts.rest() == b""


async def test_nothing_is_written_where_the_spool_has_no_room_for_bodies() -> None:
    spool = SlowSpool()
    spool.is_shedding = True
    parts = parts_of(spool)
    parts.add(b"0123456789")
    assert (spool.given, parts.is_whole, parts.rest()) == ([], False, b"")


def test_an_answer_is_held_in_memory_as_far_as_there_is_room() -> None:
    room = [15]

    def takes(size: int) -> bool:
        room[0] -= size
        return room[0] >= 0

    short, long, crowded = (
        Memory(limit=10, takes=lambda _: True),
        Memory(limit=10, takes=lambda _: True),
        Memory(limit=100, takes=takes),
    )
    short.add(b"0123456789")
    long.add(b"0123456789")
    long.add(b"x")
    crowded.add(b"0123456789")
    crowded.add(b"0123456789")
    assert (short.rest(), short.is_whole) == (b"0123456789", True)
    assert (long.rest(), long.is_whole) == (b"", False)
    assert (crowded.rest(), crowded.is_whole) == (b"", False)
