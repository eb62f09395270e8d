"""`POST /v1/feedback`: opinions by call id, whether or not the call is there yet."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.uuid7 import uuid7
from tests.ingest.intake.sending import Sending
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.landed_rows import count
from tests.ingest.proxy_calls import body_of, post
from tests.ingest.upstream import Provider

Load = Callable[..., LoaderResult]
Connection = psycopg.Connection[TupleRow]

AT = "2026-11-20T09:30:00+09:00"


def opinions(connection: Connection) -> list[tuple[Any, ...]]:
    query = "select call_id, name, value, label, comment, at from evaluation.feedback order by name, at"
    found = connection.execute(query).fetchall()
    connection.rollback()
    return found


async def test_a_vote_by_the_proxys_own_call_id_stands_beside_its_call(
    intake: Sending, http: aiohttp.ClientSession, load: Load, connection: Connection
) -> None:
    _, headers, _ = await post(http, intake.url, body_of("ok"))
    call_id = headers["x-lqo-call-id"]
    status, answer = await intake.feedback(
        {"call_id": call_id, "name": "thumbs", "value": True, "comment": "좋아요 🎈", "at": AT}
    )
    assert (status, answer["accepted"]) == (200, 1)
    assert load() == LoaderResult(landed=1)
    assert opinions(connection) == [
        (UUID(call_id), "thumbs", Decimal(1), None, "좋아요 🎈", datetime(2026, 11, 20, 0, 30, tzinfo=UTC))
    ]
    joined = "raw.llm_calls inner join evaluation.feedback using (started_at, call_id)"
    assert count(connection, joined) == 1
    marks = "raw.dirty_hours where stage = 'labels'"
    assert count(connection, marks) == 1
    assert (
        count(connection, f"{marks} and hour = date_trunc('hour', ingest.uuid7_time('{call_id}'), 'UTC')")
        == 1
    )


async def test_numbers_labels_and_comments_in_one_request(
    intake: Sending, load: Load, connection: Connection
) -> None:
    ids = [str(uuid7()) for _ in range(4)]
    given = [
        {"call_id": ids[0], "name": "a rating", "value": 4.5, "at": AT},
        {"call_id": ids[1], "name": "b thumbs", "value": False, "at": AT},
        {"call_id": ids[2], "name": "c reason", "value": "틀렸어요", "at": AT},
        {"call_id": ids[3], "name": "d words", "comment": "너무 길어요", "at": AT},
    ]
    status, answer = await intake.feedback({"feedback": given})
    assert (status, answer["accepted"], answer["rejected"]) == (200, 4, 0)
    load()
    assert [row[1:5] for row in opinions(connection)] == [
        ("a rating", Decimal("4.5"), None, None),
        ("b thumbs", Decimal(0), None, None),
        ("c reason", None, "틀렸어요", None),
        ("d words", None, None, "너무 길어요"),
    ]


async def test_what_is_wrong_with_each_opinion_is_told_at_its_place(
    intake: Sending, load: Load, connection: Connection
) -> None:
    good = {"call_id": str(uuid7()), "name": "thumbs", "value": 1}
    late = datetime.now(UTC) + timedelta(days=3)
    items: list[Any] = [
        good,
        {**good, "call_id": str(uuid4())},
        {**good, "call_id": "chatcmpl-1"},
        {**good, "call_id": str(uuid7(late))},
        {**good, "name": ""},
        {**good, "name": "n" * 201},
        {"call_id": good["call_id"], "name": "nothing"},
        {**good, "value": [1]},
        {**good, "value": 1e13},
        {**good, "at": "2026-11-20T09:30:00"},
        {**good, "at": late.isoformat()},
        {**good, "stars": 5},
        {**good, "comment": "c" * 10_001},
        7,
    ]
    status, answer = await intake.feedback(items)
    assert status == 207
    assert [each.get("code", "accepted") for each in answer["results"]] == [
        "accepted",
        "bad_field",
        "bad_field",
        "out_of_range",
        "bad_field",
        "bad_field",
        "missing_field",
        "bad_field",
        "absurd_value",
        "naive_time",
        "out_of_range",
        "bad_field",
        "bad_field",
        "bad_field",
    ]
    status, answer = await intake.feedback({**good, "value": None})
    assert (status, answer["accepted"]) == (400, 0)
    load()
    assert len(opinions(connection)) == 1


async def test_the_same_opinion_again_changes_nothing_and_another_of_the_same_moment_is_told(
    intake: Sending, load: Load, connection: Connection
) -> None:
    first = {"call_id": str(uuid7()), "name": "thumbs", "value": 1, "at": AT}
    await intake.feedback([first, first])
    assert load() == LoaderResult()
    await intake.feedback(first)
    await intake.feedback({**first, "value": 0})
    await intake.feedback({**first, "value": 0, "at": "2026-11-20T09:31:00+09:00"})
    assert load() == LoaderResult(rejected=1)
    assert load(replay=True) == LoaderResult(rejected=1)
    assert [row[2] for row in opinions(connection)] == [1, 0]
    assert count(connection, "raw.dead_letters where reason = 'conflicting_feedback'") == 1


async def test_feedback_for_a_call_that_is_nowhere_is_kept(
    intake: Sending, load: Load, connection: Connection
) -> None:
    await intake.feedback({"call_id": str(uuid7()), "name": "thumbs", "value": 1})
    load()
    assert (len(opinions(connection)), count(connection, "raw.llm_calls")) == (1, 0)


async def test_hostile_text_lands_and_can_be_had_back(
    intake: Sending, load: Load, connection: Connection
) -> None:
    given = {
        "call_id": str(uuid7()),
        "name": "na\x00me",
        "value": "la\x00bel",
        "comment": "'; drop table --\x00",
    }
    assert (await intake.feedback(given))[0] == 200
    assert (await intake.feedback(b'{"call_id": "\\ud800", "name": 1}'))[0] == 400
    load()
    ((_, name, _, label, comment, _),) = opinions(connection)
    assert (name, label, comment) == ("na\\u0000me", "la\\u0000bel", "'; drop table --\\u0000")


@pytest.mark.parametrize("number", [1, 10_000])
async def test_many_opinions_land_from_one_packed_request(
    intake: Sending, load: Load, connection: Connection, number: int
) -> None:
    lines = b"\n".join(
        json.dumps({"call_id": str(uuid7()), "name": "thumbs", "value": at % 2}).encode()
        for at in range(number)
    )
    status, _, answer = await intake("/v1/feedback", gzip.compress(lines))
    assert (status, json.loads(answer)["accepted"]) == (200, number)
    load()
    assert count(connection, "evaluation.feedback") == number
    status, _, _ = await intake("/v1/feedback", gzip.compress(lines + b"\n" + lines + b"\n{}"))
    assert status == (413 if number == 10_000 else 207)


async def test_a_killed_proxy_has_kept_every_opinion_it_took(
    settings: Settings, provider: Provider, http: aiohttp.ClientSession, load: Load, connection: Connection
) -> None:
    async with killable_proxy(settings.home, provider.url) as (url, process):
        for number in range(20):
            given = {"call_id": str(uuid7()), "name": "rating", "value": number}
            assert (await Sending(url, http).feedback(given))[0] == 200
        process.kill()
    load()
    assert sorted(row[2] for row in opinions(connection)) == [*range(20)]
