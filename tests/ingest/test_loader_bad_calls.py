"""What clients, providers and clocks may get wrong on the way through the proxy: a row, or a dead letter."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.landing.content import decompress
from ingest.landing.text import restore
from ingest.loader import run_loader
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.spool.records import Record
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7
from tests.ingest.spool_calls import end, start

Connection = psycopg.Connection[TupleRow]


class Spooled:
    """A spool to write and a warehouse to load it into."""

    def __init__(self, settings: Settings, url: DatabaseUrl) -> None:
        self._settings = settings
        self._url = url

    async def write(self, *records: Record) -> None:
        """Write the records between two ordinary calls, as the proxy would."""
        writer = Spool(self._settings.spool)
        calls = start(), start()
        for record in (calls[0], end(calls[0]), *records, calls[1], end(calls[1])):
            await writer.append(record)
        writer.close()

    def load(self, *, replay: bool = False) -> LoaderResult:
        return run_loader(self._settings, self._url, once=True, replay=replay)


@pytest.fixture
def spooled(tmp_path: Path, warehouse: DatabaseUrl) -> Spooled:
    return Spooled(Settings(home=tmp_path / "home"), warehouse)


def answer(content: str = "42", usage: object = None) -> bytes:
    document = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": usage}
    return json.dumps(document).encode()


def the_odd_one(connection: Connection) -> dict[str, Any]:
    query = """
        select * from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)
        where provider = 'odd'
    """
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        (row,) = cursor.execute(query).fetchall()
    return row


@pytest.mark.parametrize(
    ("response", "headers", "expected"),
    [
        (answer(usage={"prompt_tokens": "12", "n": "x"}), {}, {"usage": {"prompt_tokens": "12", "n": "x"}}),
        (answer(usage="12 tokens"), {}, {"usage": None}),
        (answer("nul \0 half \ud83d"), {}, {"output_text": "nul \0 half \ud83d"}),
        (b'{"choices": [{"mess', {}, {"output_text": None, "usage": None}),
        (b"\xff\xfe no json at all \x00", {}, {"usage": None}),
        (gzip.compress(answer())[:-20], {"content-encoding": "gzip"}, {"usage": None}),
        (answer("x" * 50_000_000), {}, {"output_text": "x" * 50_000_000}),
    ],
    ids=["usage of strings", "usage no object", "NUL, surrogate", "cut", "binary", "truncated gzip", "50 MB"],
)
async def test_any_answer_of_an_unknown_provider_lands_with_its_bytes(
    spooled: Spooled,
    connection: Connection,
    response: bytes,
    headers: dict[str, str],
    expected: dict[str, Any],
) -> None:
    call = start(provider="odd")
    await spooled.write(call, end(call, response=response, response_headers=headers, attempts=()))

    assert spooled.load() == LoaderResult(landed=3)

    row = the_odd_one(connection)
    assert decompress(row["response"]) == response
    text = row["output_text"]
    found = {**row, "output_text": None if text is None else restore(text)}
    for name, value in expected.items():
        assert found[name] == value, name
    connection.rollback()
    assert spooled.load(replay=True) == LoaderResult(already_there=3)


@pytest.mark.parametrize(
    ("changes", "ended", "reason"),
    [
        ({"at": datetime(1970, 1, 1, tzinfo=UTC)}, {}, "out_of_range"),
        ({"at": datetime(2099, 1, 1, tzinfo=UTC)}, {"ended_at_ns": 1}, "out_of_range"),
        ({}, {"latency_ms": -3.0}, "negative_latency"),
        ({}, {"ttft_ms": -3.0}, "negative_latency"),
        ({"call_id": uuid7(datetime(2026, 1, 1, tzinfo=UTC))}, {}, "id_time_mismatch"),
    ],
)
async def test_what_no_clock_can_say_is_a_dead_letter_between_its_neighbours(
    spooled: Spooled,
    connection: Connection,
    changes: dict[str, Any],
    ended: dict[str, Any],
    reason: str,
) -> None:
    if at := changes.pop("at", None):
        changes |= {"call_id": uuid7(at), "started_at_ns": int(at.timestamp()) * 10**9}
    call = start(**changes)
    await spooled.write(call, end(call, **ended))

    assert spooled.load() == LoaderResult(landed=2, rejected=1)
    assert spooled.load(replay=True) == LoaderResult(already_there=2, rejected=1)

    query = "select reason, source from raw.dead_letters"
    assert connection.execute(query).fetchall() == [(reason, "proxy")]


async def test_an_id_that_comes_again_with_another_answer_or_time_is_not_landed_twice(
    spooled: Spooled, connection: Connection
) -> None:
    call = start(provider="odd")
    await spooled.write(call, end(call, attempts=()))
    assert spooled.load() == LoaderResult(landed=3)
    later = start(provider="odd", call_id=call.call_id, started_at_ns=call.started_at_ns + 5_000_000)
    await spooled.write(call, end(call, response=answer("another")))
    assert spooled.load() == LoaderResult(landed=2, rejected=1)
    await spooled.write(later, end(later))
    assert spooled.load() == LoaderResult(landed=2, rejected=1)

    assert the_odd_one(connection)["output_text"] == "42"
    query = "select reason from raw.dead_letters order by reason"
    assert connection.execute(query).fetchall() == [("conflicting_duplicate",), ("id_time_mismatch",)]
