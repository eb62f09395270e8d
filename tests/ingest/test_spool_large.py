"""Large bodies stand in files of their own: read back whole, gone with their segment, in nobody's way."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.landing.content import decompress
from ingest.loader import LoaderResult
from ingest.spool import large
from ingest.spool.bodies import body_names, write_body
from ingest.spool.lean import stored_of
from ingest.spool.reader import list_segments
from ingest.spool.records import Delivery, Part, Stored, decode_record
from ingest.spool.retention import unlink_sealed
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7
from tests.ingest.landed_rows import count, rows
from tests.ingest.spool_calls import chunk, end, entries_in, start, write

BIG = bytes(range(256)) * 4096


@pytest.mark.parametrize("durability", ["process", "strict"])
async def test_a_large_body_stands_in_a_file_and_is_read_back_whole(tmp_path: Path, durability: str) -> None:
    spool = Spool(tmp_path, durability=durability)  # pyright: ignore[reportArgumentType]
    call = start(request=BIG)
    part = Part(call_id=call.call_id, number=1, response=BIG[::-1])
    delivery = Delivery(call_id=uuid7(), source="import", lines=(BIG, b"{}", BIG))
    for record in (call, part, end(call, response=BIG), delivery):
        await spool.append(record)
    entries = entries_in(tmp_path)
    assert [entry.record for entry in entries][:2] == [call, part]
    assert entries[3].record == delivery
    assert all(len(entry.payload) < 10_000 and stored_of(decode_record(entry.payload)) for entry in entries)
    assert len(body_names(tmp_path)) == spool.counters.large_bodies == 4
    spool.close()
    assert [entry.record for entry in entries_in(tmp_path)] == [entry.record for entry in entries]


@pytest.mark.parametrize("durability", ["process", "strict"])
async def test_the_records_of_a_call_keep_their_order_beside_its_large_body(
    tmp_path: Path, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def write_late(directory: Path, data: bytes, *, is_synced: bool) -> Stored:
        assert released.wait(30)
        return write_body(directory, data, is_synced=is_synced)

    monkeypatch.setattr(large, "write_body", write_late)
    spool = Spool(tmp_path, durability=durability)  # pyright: ignore[reportArgumentType]
    call, other = start(request=BIG), start()
    sent = [call, Part(call_id=call.call_id, number=1, response=b"x"), end(call)]
    done = [spool.append(record) for record in sent]
    await spool.append(other)
    assert not done[0].done(), "a small call waits for no large one"
    released.set()
    await asyncio.gather(*done)
    assert [entry.record for entry in entries_in(tmp_path)] == [other, *sent]
    spool.close()


async def test_what_is_under_way_at_the_close_is_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    call = start(request=BIG)
    done = [spool.append(call), spool.append(end(call))]
    spool.close()
    await asyncio.gather(*done)
    assert entries_in(tmp_path)[0].record == call


async def test_a_small_call_does_not_wait_for_a_twenty_megabyte_prompt(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.append(start())
    prompts = [spool.append(start(request=bytes(20 << 20))) for _ in range(5)]
    n_small = 0
    while not all(prompt.done() for prompt in prompts):
        await spool.append(start())
        n_small += 1
        await asyncio.sleep(0)
    spool.close()
    assert n_small > 10 * len(prompts)


async def test_bodies_go_with_their_segment_and_those_without_a_record_at_the_next_start(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    call = start(request=BIG)
    await write(spool, call, end(call))
    spool.close()
    kept = body_names(tmp_path)
    assert len(kept) == 1
    write_body(tmp_path, BIG, is_synced=False)
    Spool(tmp_path).close()
    assert body_names(tmp_path) == kept
    (segment,) = list_segments(tmp_path)
    assert unlink_sealed(tmp_path, loaded={segment.uuid}, keep_hours=24, max_bytes=len(BIG)) == (
        segment.path,
    )
    assert body_names(tmp_path) == set()


@pytest.mark.parametrize("harm", ["missing", "short", "altered"])
async def test_a_lost_body_is_told_and_the_call_lands_without_it(
    spool: Spool, load: Callable[..., LoaderResult], connection: psycopg.Connection[TupleRow], harm: str
) -> None:
    call = start(request=BIG)
    await write(spool, call, end(call))
    (path,) = (spool.directory / "bodies").iterdir()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(BIG[:-1] if harm == "short" else BIG[:-1] + b"?")
    assert load() == LoaderResult(landed=1, rejected=1)
    assert rows(connection, "status, output_text, request") == [("ok", "42", None)]
    assert count(connection, "raw.dead_letters where reason = 'lost_body'") == 1


async def test_a_large_stream_lands_whole(
    spool: Spool, load: Callable[..., LoaderResult], connection: psycopg.Connection[TupleRow]
) -> None:
    call, text = start(is_streamed=True, request=BIG), "안녕" * 100_000
    await write(
        spool,
        call,
        Part(call_id=call.call_id, number=1, response=chunk(text)),
        end(call, response=chunk("!")),
    )
    assert load() == LoaderResult(landed=1)
    ((request, output),) = rows(connection, "request, output_text")
    assert decompress(request) == BIG
    assert output == text + "!"
