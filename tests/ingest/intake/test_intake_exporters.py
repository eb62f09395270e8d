"""Real instrumentations and the real OTLP exporter against the real proxy, loader and Postgres."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.usage import Buckets, bucket_usage
from ingest.loading.result import LoaderResult
from tests.conftest import REPOSITORY
from tests.ingest.intake.sending import Sending
from tests.ingest.landed_rows import count, rows
from tests.ingest.upstream import ANSWER, Provider

Load = Callable[..., LoaderResult]
Connection = psycopg.Connection[TupleRow]

NAMES = (
    "status",
    "endpoint",
    "provider",
    "requested_model",
    "served_model",
    "project",
    "environment",
    "is_streamed",
    "finish_reason",
    "http_status",
    "error_type",
    "usage",
    "input_text",
    "output_text",
    "tags",
    "ttft_ms",
    "latency_ms",
)


async def run(instrumentation: str, *, base_url: str, endpoint: str, **environment: str) -> None:
    """Make a plain call, a stream and a failing one (LangChain: a plain one) in a program of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ingest.intake.instrumented",
        instrumentation,
        f"{base_url}/v1",
        f"{endpoint}/v1/traces",
        "ok",
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Failed to export" not in errors, errors.decode()


def landed(connection: Connection) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows(connection, ", ".join(NAMES))]


def buckets(call: dict[str, Any]) -> Buckets:
    found = bucket_usage(call["usage"], provider=call["provider"], endpoint=call["endpoint"])
    assert isinstance(found, Buckets)
    return found


async def test_opentelemetrys_own_instrumentation_lands_as_calls(
    intake: Sending, provider: Provider, load: Load, connection: Connection
) -> None:
    await run("openai_v2", base_url=provider.url, endpoint=intake.url)
    assert load() == LoaderResult(landed=3)
    plain, stream, failed = landed(connection)
    assert (plain["status"], plain["endpoint"], plain["provider"]) == ("ok", "chat", "openai")
    assert (plain["requested_model"], plain["served_model"]) == ("ok", "ok-2026")
    assert (plain["project"], plain["environment"], plain["finish_reason"]) == ("shop", "staging", "stop")
    assert buckets(plain) == buckets(stream) == Buckets(input_uncached=7, output_text=3)
    assert plain["input_text"] is None
    assert plain["tags"]["lqo.response_id"] == "chatcmpl-1"
    assert (failed["status"], failed["error_type"]) == ("error", "RateLimitError")
    assert count(connection, "raw.llm_calls where source = 'otlp' and external_id like '%:%'") == 3


async def test_its_content_lands_where_it_is_captured(
    intake: Sending, provider: Provider, load: Load, connection: Connection
) -> None:
    await run(
        "openai_v2",
        base_url=provider.url,
        endpoint=intake.url,
        OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="span_only",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_HEADERS="x-lqo-project=faq,x-lqo-user=minji",
    )
    assert load() == LoaderResult(landed=3)
    calls = landed(connection)
    assert {call["project"] for call in calls} == {"faq"}
    assert [call["input_text"] for call in calls] == ["안녕 🎈?"] * 3
    assert [call["output_text"] for call in calls[:2]] == [ANSWER, ANSWER]


@pytest.mark.parametrize("program", [("openinference", 3), ("langchain", 1)])
async def test_openinference_lands_as_calls(
    intake: Sending, provider: Provider, load: Load, connection: Connection, program: tuple[str, int]
) -> None:
    instrumentation, expected = program
    await run(instrumentation, base_url=provider.url, endpoint=intake.url)
    assert load() == LoaderResult(landed=expected)
    calls = landed(connection)
    plain = calls[0]
    assert (plain["requested_model"], plain["served_model"], plain["provider"]) == ("ok", "ok-2026", "openai")
    assert (plain["input_text"], plain["output_text"]) == ("안녕 🎈?", ANSWER)
    assert buckets(plain) == Buckets(input_uncached=7, output_text=3)
    if expected == 3:
        assert [call["is_streamed"] for call in calls] == [False, True, False]
        assert 0 <= calls[1]["ttft_ms"] <= calls[1]["latency_ms"]
        assert calls[1]["output_text"] == ANSWER
        assert (calls[2]["status"], calls[2]["requested_model"]) == ("error", "status-429")


@pytest.mark.parametrize("instrumentation", ["openai_v2", "openinference", "langchain"])
async def test_a_call_that_the_proxy_has_seen_is_not_counted_again(
    intake: Sending, load: Load, connection: Connection, instrumentation: str
) -> None:
    await run(instrumentation, base_url=intake.url, endpoint=intake.url)
    calls = 1 if instrumentation == "langchain" else 3
    assert load() == LoaderResult(landed=2 * calls)
    held = connection.execute(
        "select calls.source, quarantine.check_name, quarantine.reason from evaluation.quarantine"
        " inner join raw.llm_calls as calls using (started_at, call_id)"
    ).fetchall()
    assert {row[:2] for row in held} == {("otlp", "seen_twice")}
    assert len(held) == calls
    proxied = {str(row[0]) for row in rows(connection, "call_id, source") if row[1] == "proxy"}
    assert {row[2].removeprefix("the proxy has it as ") for row in held} <= proxied
