"""`POST /v1/calls`: what is taken lands, what is not says why, and nothing is counted twice."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psycopg
import pytest
import zstandard
from psycopg.rows import TupleRow

from ingest.loading.result import LoaderResult
from ingest.proxy.gate import Capacity
from ingest.proxy.serving import Serving
from ingest.settings import Settings
from ingest.uuid7 import uuid7
from tests.ingest.import_lines import Importer, line, lines, record
from tests.ingest.intake.sending import Sending
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.landed_rows import count, counts, rows
from tests.ingest.running_proxy import running_proxy
from tests.ingest.upstream import Provider

Load = Callable[..., LoaderResult]
Connection = psycopg.Connection[TupleRow]


async def test_each_call_gets_its_id_and_lands_under_it(
    intake: Sending, load: Load, connection: Connection
) -> None:
    own_id = uuid7()
    calls = [
        record(0),
        record(1, user_id="민지", output_text="배송은 3일 걸려요 🎈"),
        {"call_id": str(own_id), **record(2)},
    ]
    calls[2]["started_at"] = (own_id.int >> 80) / 1000
    status, answer = await intake.calls(json.dumps(calls, ensure_ascii=False).encode())
    assert status == 200
    assert (answer["accepted"], answer["rejected"]) == (3, 0)
    assert [each["index"] for each in answer["results"]] == [0, 1, 2]
    assert answer["results"][2]["call_id"] == str(own_id)
    assert load() == LoaderResult(landed=3)
    landed = rows(connection, "call_id, source, user_id, output_text")
    assert {str(row[0]) for row in landed} == {each["call_id"] for each in answer["results"]}
    assert {row[1] for row in landed} == {"import"}
    assert ("민지", "배송은 3일 걸려요 🎈") in [row[2:] for row in landed]


@pytest.mark.parametrize("shape", ["array", "object", "lines", "gzip", "zstd", "two gzip members"])
async def test_every_shape_and_packing_gives_the_same_calls(
    intake: Sending, load: Load, connection: Connection, shape: str
) -> None:
    plain = lines(5)
    as_array = b"[" + b",\n".join(plain.strip().split(b"\n")) + b"]"
    bodies: dict[str, tuple[bytes, dict[str, str]]] = {
        "array": (as_array, {}),
        "object": (b'{"calls": ' + as_array + b"}", {}),
        "lines": (b"\xef\xbb\xbf\n" + plain, {}),
        "gzip": (gzip.compress(as_array), {"content_encoding": "gzip"}),
        "zstd": (zstandard.compress(plain), {"content_encoding": "zstd"}),
        "two gzip members": (gzip.compress(plain[:100]) + gzip.compress(plain[100:]), {}),
    }
    body, headers = bodies[shape]
    _, first = await intake.calls(as_array)
    status, answer = await intake.calls(body, **headers)
    assert (status, answer) == (200, first)
    assert load() == LoaderResult(landed=5, already_there=5)


async def test_calls_are_those_of_an_imported_file(
    intake: Sending,
    load: Load,
    connection: Connection,
    run_import: Importer,
    write_calls: Callable[[bytes], Path],
) -> None:
    await intake.calls(lines(4))
    load()
    before = counts(connection)
    assert run_import(write_calls(lines(4))).already_there == 4
    assert counts(connection) == before


async def test_what_is_wrong_with_each_call_is_told_at_its_place(
    intake: Sending, load: Load, connection: Connection
) -> None:
    bad = [
        b"{broken",
        line(1, started_at=...),
        line(2, started_at="2019-01-01T00:00:00Z"),
        line(3, latency_ms=-1),
        line(4, status="maybe"),
        line(5, requested_model=...),
        line(6),
        line(6, output_text="something else"),
        b'{"tags":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        line(7, started_at="2026-11-19T12:00:00"),
        b'"just text"',
    ]
    status, answer = await intake.calls(b"\n".join(part.strip() for part in [line(0), *bad]))
    assert status == 207
    codes = [each.get("code", "accepted") for each in answer["results"]]
    assert codes == [
        "accepted",
        "broken_json",
        "missing_field",
        "out_of_range",
        "negative_latency",
        "bad_field",
        "missing_field",
        "accepted",
        "conflicting_duplicate",
        "too_deep",
        "naive_time",
        "bad_field",
    ]
    assert all(each["reason"] for each in answer["results"] if each["status"] == "rejected")
    assert (answer["accepted"], answer["rejected"]) == (2, 10)
    assert load() == LoaderResult(landed=2)
    assert count(connection, "raw.dead_letters") == 0


async def test_a_call_that_contradicts_a_landed_one_is_a_dead_letter(
    intake: Sending, load: Load, connection: Connection
) -> None:
    await intake.calls(line(1))
    load()
    status, _ = await intake.calls(line(1, output_text="another answer"))
    assert status == 200
    assert load() == LoaderResult(rejected=1)
    assert (
        count(connection, "raw.dead_letters where source = 'import' and reason = 'conflicting_duplicate'")
        == 1
    )


async def test_ten_thousand_calls_are_one_request_and_one_more_is_too_many(
    intake: Sending, load: Load, connection: Connection
) -> None:
    status, answer = await intake.calls(gzip.compress(lines(10_000)))
    assert (status, answer["accepted"], len(answer["results"])) == (200, 10_000, 10_000)
    status, answer = await intake.calls(gzip.compress(lines(10_001)))
    assert (status, answer["error"]["code"]) == (413, "too_many_calls")
    assert load() == LoaderResult(landed=10_000)
    assert count(connection, "raw.llm_calls") == 10_000


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        ((b"", {}), (400, "broken_json")),
        ((b"hello", {}), (400, "broken_json")),
        ((b"[{}, {", {}), (400, "broken_json")),
        ((b'{"calls": 3}', {}), (400, "bad_field")),
        ((b'{"calls": [], "more": 1}', {}), (400, "bad_field")),
        ((b"[" * 100_000, {}), (400, "too_deep")),
        ((gzip.compress(lines(3))[:-20], {"content_encoding": "gzip"}), (400, "bad_encoding")),
        ((zstandard.compress(lines(3))[:-5], {"content_encoding": "zstd"}), (400, "bad_encoding")),
        ((lines(1), {"content_encoding": "gzip"}), (400, "bad_encoding")),
        ((lines(1), {"content_encoding": "br"}), (415, "unsupported_encoding")),
        ((gzip.compress(b" " * (65 << 20)), {"content_encoding": "gzip"}), (413, "request_too_large")),
        ((zstandard.compress(b" " * (65 << 20)), {"content_encoding": "zstd"}), (413, "request_too_large")),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_whole(
    intake: Sending, load: Load, sent: tuple[bytes, dict[str, str]], refusal: tuple[int, str]
) -> None:
    body, headers = sent
    status, answer = await intake.calls(body, **headers)
    assert (status, answer["error"]["code"]) == refusal
    assert load() == LoaderResult()


async def test_a_request_without_calls_and_other_methods(intake: Sending) -> None:
    assert await intake.calls(b"[]") == (200, {"accepted": 0, "rejected": 0, "results": []})
    async with intake.http.get(intake.url + "/v1/calls") as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert UUID(answer.headers["x-lqo-call-id"]).version == 7


async def test_text_that_is_no_unicode_lands_and_can_be_had_back(
    intake: Sending, load: Load, connection: Connection
) -> None:
    odd = b'{"external_id":"%s","started_at":1763553600,"requested_model":"m","input_text":"%s"}'
    texts = [b"nul \\u0000", b"half \\ud83d", b"raw \xff byte", "한글 🎈".encode()]
    items = [odd % (b"odd-%d" % number, text) for number, text in enumerate(texts)]
    status, answer = await intake.calls(b'{"calls":[' + b", ".join(items) + b" ] }")
    assert (status, answer["accepted"]) == (200, 4)
    assert load() == LoaderResult(landed=4)
    found = {row[0]: row[1:] for row in rows(connection, "external_id, input_text, tags -> 'lqo.repaired'")}
    assert found["odd-0"] == ("nul \\u0000", ["input_text"])
    assert found["odd-1"] == ("half \\ud83d", ["input_text"])
    assert found["odd-3"] == ("한글 🎈", None)


async def test_a_killed_proxy_has_kept_every_call_it_said_it_took(
    settings: Settings, provider: Provider, http: aiohttp.ClientSession, load: Load, connection: Connection
) -> None:
    taken: list[dict[str, Any]] = []
    async with killable_proxy(settings.home, provider.url) as (url, process):
        sending = Sending(url, http)
        for number in range(5):
            body = b"".join(line(number * 300 + at) for at in range(300))
            status, answer = await sending.calls(body)
            assert status == 200
            taken += answer["results"]
        process.kill()
    assert load().landed == 1500
    landed = {str(row[0]) for row in rows(connection, "call_id")}
    assert landed == {each["call_id"] for each in taken}


async def test_a_full_proxy_takes_no_delivery(
    settings: Settings, provider: Provider, http: aiohttp.ClientSession
) -> None:
    serving = Serving(capacity=Capacity(calls=0))
    async with running_proxy(settings.home, provider.url, serving=serving) as proxy:
        status, answer = await Sending(proxy.url, http).calls(json.dumps([record(0)]).encode())
    assert (status, answer["error"]["type"]) == (503, "overloaded")
