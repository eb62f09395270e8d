"""Landed calls as spans: sent to a real OTLP receiver, with the numbers of the row and none of its text."""

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ingest.call import Call
from ingest.loading.result import LoaderResult
from ingest.loading.spans import SpanSender, otlp_sender, span_of
from ingest.spool.writer import Spool
from ingest.uuid7 import derived_uuid7
from tests.ingest.spool_calls import end, start, write

AT = datetime(2026, 10, 5, 12, 0, 0, 123000, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def call(n: int = 0, **changes: Any) -> Call:
    facts: dict[str, Any] = {
        "call_id": derived_uuid7(AT, key=b"%d" % n),
        "started_at": AT,
        "source": "proxy",
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "requested_model": "gpt-4o",
        "served_model": "gpt-4o-2024-08-06",
        "status": "ok",
        "http_status": 200,
        "latency_ms": 250.5,
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 60},
        },
        "input_text": "my secret prompt 안녕",
        "output_text": "my secret answer",
        "request": b"my secret prompt",
    }
    return Call(**{**facts, **changes})


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A real HTTP receiver; what it was sent."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield received
        server.shutdown()
        thread.join()


async def test_the_loader_sends_what_landed_under_the_clients_span(
    collector: list[bytes], load: Callable[..., LoaderResult], spool: Spool
) -> None:
    started = start(observer={"trace_id": TRACE, "parent_span_id": "00f067aa0ba902b7"})
    await write(spool, started, end(started))

    load()
    load(replay=True)

    (span,) = spans_in(collector)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")


def spans_in(received: list[bytes]) -> list[Span]:
    requests = [ExportTraceServiceRequest.FromString(body) for body in received]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def sent(collector: list[bytes], *calls: Call, parents: dict[str, str] | None = None) -> list[Span]:
    sender = otlp_sender(os.environ)
    assert sender is not None
    sender.offer(calls, parents=parents or {})
    sender.close()
    assert (sender.sent, sender.dropped) == (len(calls), 0)
    return spans_in(collector)


def test_a_call_reaches_the_collector_with_its_numbers_and_without_its_text(collector: list[bytes]) -> None:
    (span,) = sent(collector, call())

    values = {each.key: each.value for each in span.attributes}
    assert span.name == "chat gpt-4o"
    assert values["gen_ai.usage.input_tokens"].int_value == 100
    assert values["gen_ai.usage.output_tokens"].int_value == 20
    assert values["gen_ai.usage.cache_read.input_tokens"].int_value == 60
    assert values["gen_ai.response.model"].string_value == "gpt-4o-2024-08-06"
    assert values["gen_ai.response.finish_reasons"].array_value.values[0].string_value == "stop"
    assert span.start_time_unix_nano == 1_791_201_600_123_000_000
    assert span.end_time_unix_nano - span.start_time_unix_nano == 250_500_000
    assert b"secret" not in b"".join(collector)


def test_a_call_stands_under_the_span_of_the_client_that_made_it(collector: list[bytes]) -> None:
    made = call(trace_id=TRACE)
    (span,) = sent(collector, made, parents={str(made.call_id): "00f067aa0ba902b7"})
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")


@pytest.mark.parametrize("trace_id", ["0" * 32, "not a trace", "", None])
def test_a_call_without_a_usable_trace_gets_one_of_its_own(trace_id: str | None) -> None:
    span = span_of(call(trace_id=trace_id), "zz")
    assert span.context is not None
    assert span.context.is_valid
    assert span.parent is None


def test_a_failed_call_is_a_failed_span() -> None:
    span = span_of(call(status="error", http_status=429, error_type="rate_limit", usage=None), None)
    assert span.attributes is not None
    assert not span.status.is_ok
    assert span.attributes["error.type"] == "rate_limit"
    assert "gen_ai.usage.input_tokens" not in span.attributes


def test_the_same_call_is_always_the_same_span() -> None:
    first, again, other = (span_of(call(n), None).context for n in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.trace_id, first.span_id) == (again.trace_id, again.span_id)
    assert first.span_id != other.span_id


def test_without_an_endpoint_nothing_is_sent() -> None:
    assert otlp_sender({}) is None


class Deaf:
    """An exporter whose collector never answers until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def export(self, spans: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.asked.set()
        self.go_on.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        return


def test_a_collector_that_hangs_costs_spans_and_never_the_loader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.loading.spans._LONGEST_QUEUE", 10)
    deaf = Deaf()
    sender = SpanSender(deaf)  # pyright: ignore[reportArgumentType]
    sender.offer([call()], parents={})
    assert deaf.asked.wait(30)

    sender.offer([call(n) for n in range(25)], parents={})

    assert sender.dropped == 15
    deaf.go_on.set()
    sender.close()
    assert (sender.sent, sender.dropped) == (0, 26)
