"""`POST /v1/traces` as an OTLP endpoint: encodings, answers, and what happens to the spans."""

import gzip
from collections.abc import Callable
from typing import Any

import aiohttp
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from psycopg.rows import TupleRow

from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from tests.ingest.intake.sending import Sending
from tests.ingest.intake.spans import CHAT, START, TRACE, span
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.landed_rows import count, rows
from tests.ingest.upstream import Provider

Load = Callable[..., LoaderResult]
Connection = psycopg.Connection[TupleRow]
PROTOBUF = "application/x-protobuf"


def protobuf(*attributes: dict[str, Any], start_ns: int = START) -> bytes:
    """Spans of one second, a second apart, with ids of their own."""
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    for number, given in enumerate(attributes):
        made = scoped.spans.add(trace_id=bytes.fromhex(TRACE), span_id=(number + 1).to_bytes(8, "big"))
        made.start_time_unix_nano = start_ns + number * 10**9
        made.end_time_unix_nano = made.start_time_unix_nano + 10**9
        for name, value in given.items():
            made.attributes.add(key=name).value.string_value = value
    return request.SerializeToString()


async def test_protobuf_is_answered_in_protobuf_and_counts_what_it_rejects(
    intake: Sending, load: Load, connection: Connection
) -> None:
    body = protobuf(CHAT, {"http.request.method": "GET"}, {**CHAT, "gen_ai.operation.name": "execute_tool"})
    status, headers, answer = await intake("/v1/traces", body, content_type=PROTOBUF)
    assert (status, headers["content-type"], answer) == (200, PROTOBUF, b"")
    old = protobuf(CHAT, CHAT, start_ns=1_000_000_000)
    status, _, answer = await intake(
        "/v1/traces", gzip.compress(old), content_type=PROTOBUF, content_encoding="gzip"
    )
    response = ExportTraceServiceResponse.FromString(answer)
    assert (status, response.partial_success.rejected_spans) == (200, 2)
    assert response.partial_success.error_message.startswith("2 out_of_range (such as: started_at 1970")
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "source, endpoint, trace_id") == [("otlp", "chat", TRACE)]


async def test_what_becomes_of_items_is_a_metric(intake: Sending) -> None:
    await intake.spans(span(CHAT), span({}), span(CHAT, spanId="aaaaaaaaaaaaaaaa", endTimeUnixNano="1"))
    async with intake.http.get(intake.url + "/metrics") as answer:
        page = await answer.text()
    for outcome in ("taken", "rejected", "passed_over"):
        assert f'llm_gateway_intake_items_total{{kind="span",outcome="{outcome}"}} 1.0' in page


async def test_json_is_answered_in_json(intake: Sending, load: Load) -> None:
    assert await intake.spans(span(CHAT)) == (200, {})
    backwards = span(CHAT, spanId="aaaaaaaaaaaaaaaa", endTimeUnixNano=str(START - 1))
    status, answer = await intake.spans(span(CHAT), backwards)
    assert (status, answer["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert "ended_before_started" in answer["partialSuccess"]["errorMessage"]
    assert load() == LoaderResult(landed=1, already_there=1)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((b"\xff\xff\xff", PROTOBUF), 400),
        ((b"{broken", "application/json"), 400),
        ((b"[]", "application/json"), 400),
        ((b'{"resourceSpans": 3}', "application/json"), 400),
        ((b'{"resourceSpans":' + b"[" * 50_000, "application/json"), 400),
        ((b"", "text/plain"), 415),
    ],
)
async def test_a_body_that_is_no_export_is_refused_for_good(
    intake: Sending, load: Load, sent: tuple[bytes, str], status: int
) -> None:
    """400 and 415 are not tried again by exporters; the message says what was wrong."""
    body, content_type = sent
    got, headers, answer = await intake("/v1/traces", body, content_type=content_type)
    assert got == status
    assert "retry-after" not in headers
    assert answer
    assert load() == LoaderResult()


async def test_an_empty_export_and_unknown_members_are_fine(intake: Sending) -> None:
    assert (await intake("/v1/traces", b"", content_type=PROTOBUF))[0] == 200
    assert (await intake("/v1/traces", b'{"more": [1]}', content_type="application/json; charset=utf-8"))[
        0
    ] == 200


async def test_spans_sent_again_change_nothing(intake: Sending, load: Load, connection: Connection) -> None:
    spans = [span(CHAT, spanId=f"{number:016x}") for number in range(1, 200)]
    for _ in range(2):
        assert await intake.spans(*spans) == (200, {})
    assert load() == LoaderResult(landed=199, already_there=199)
    assert load(replay=True) == LoaderResult(already_there=398)


async def test_headers_of_the_export_name_project_and_environment(
    intake: Sending, load: Load, connection: Connection
) -> None:
    body = protobuf({**CHAT, "user.id": "own"})
    await intake("/v1/traces", body, content_type=PROTOBUF, x_lqo_project="검색", x_lqo_user="header")
    load()
    assert rows(connection, "project, user_id") == [("검색", "own")]


async def test_a_killed_proxy_has_kept_every_span_it_took(
    settings: Settings, provider: Provider, http: aiohttp.ClientSession, load: Load, connection: Connection
) -> None:
    async with killable_proxy(settings.home, provider.url) as (url, process):
        for batch in range(5):
            spans = [span(CHAT, spanId=f"{batch * 50 + number:016x}") for number in range(1, 51)]
            assert await Sending(url, http).spans(*spans) == (200, {})
        process.kill()
    assert load() == LoaderResult(landed=250)
    assert count(connection, "raw.external_ids where source = 'otlp'") == 250
