"""Landed calls as OpenTelemetry GenAI spans, sent to an OTLP collector by the loader and not by the proxy.

Attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/. No prompt and no answer is in a
span. A span's id comes from its call's id, so that a call that is loaded again is the same span.
"""

import hashlib
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from evaluators.usage import Unbucketed, bucket_usage
from ingest.call import Call

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.util.types import AttributeValue

logger = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_QUEUE = 20_000
_BATCH = 512
_CLOSE_SECONDS = 5.0
_OPERATIONS = (
    ("embeddings", "embeddings"),
    ("generateContent", "generate_content"),
    ("GenerateContent", "generate_content"),
    ("chat/completions", "chat"),
    ("messages", "chat"),
    ("responses", "chat"),
)


class TelemetryError(RuntimeError):
    """Spans cannot be sent as configured; the message is one line."""


class SpanSender:
    """Sends spans in a thread of its own. What a slow collector leaves no room for is dropped and counted:
    the rows are the record, and a span is only their shadow."""

    def __init__(self, exporter: "SpanExporter") -> None:
        self._exporter = exporter
        self._waiting: queue.Queue[tuple[Call, str | None] | None] = queue.Queue(_LONGEST_QUEUE)
        self.sent = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="span-sender", daemon=True)
        self._thread.start()

    def offer(self, calls: Sequence[Call], *, parents: Mapping[str, str]) -> None:
        """Queue landed calls; `parents` is call id to the id of the client's span."""
        for call in calls:
            try:
                self._waiting.put_nowait((call, parents.get(str(call.call_id))))
            except queue.Full:
                self.dropped += 1

    def close(self) -> None:
        """Send what is queued, for a few seconds at most."""
        try:
            self._waiting.put(None, timeout=_CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(_CLOSE_SECONDS)
        self._exporter.shutdown()

    def _run(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            while len(batch) < _BATCH and batch[-1] is not None and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = batch[-1] is not None
            spans = [span_of(*item) for item in batch if item is not None]
            if not spans:
                continue
            if self._exporter.export(spans) is SpanExportResult.SUCCESS:
                self.sent += len(spans)
            else:
                self.dropped += len(spans)
                logger.warning("%d spans were not taken by the collector", len(spans))


def otlp_sender(environ: Mapping[str, str]) -> SpanSender | None:
    """A sender to `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`); None where neither is set.

    The other `OTEL_EXPORTER_OTLP_*` variables hold, too. Raises TelemetryError without the extra `otlp`.
    """
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not any(environ.get(name) for name in names):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise TelemetryError("spans need the extra `otlp`: pip install llm-quality-observer[otlp]") from error
    return SpanSender(OTLPSpanExporter())


def span_of(call: Call, parent: str | None) -> "ReadableSpan":
    """The span of one call: in the client's trace where it named one, else in a trace of its own."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    trace_id = _hexadecimal(call.trace_id, digits=32) or _derived(call, size=16)
    sampled = TraceFlags(TraceFlags.SAMPLED)
    parent_id = _hexadecimal(parent, digits=16)
    return ReadableSpan(
        name=f"{_operation(call)} {call.requested_model}".strip(),
        context=SpanContext(trace_id, _derived(call, size=8), is_remote=False, trace_flags=sampled),
        parent=None
        if parent_id is None
        else SpanContext(trace_id, parent_id, is_remote=True, trace_flags=sampled),
        resource=Resource({"service.name": "llm-quality-observer", "service.namespace": call.project or ""}),
        attributes=_attributes(call),
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.UNSET if call.status == "ok" else StatusCode.ERROR, call.error_type),
        start_time=_nanoseconds(call.started_at),
        end_time=_nanoseconds(_end(call)),
    )


def _attributes(call: Call) -> "dict[str, AttributeValue]":
    given: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": _operation(call),
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.requested_model or None,
        "gen_ai.response.model": call.served_model,
        "gen_ai.response.finish_reasons": None if call.finish_reason is None else [call.finish_reason],
        "gen_ai.conversation.id": call.session_id,
        "gen_ai.response.time_to_first_chunk": None if call.ttft_ms is None else call.ttft_ms / 1000,
        "error.type": None if call.status == "ok" else call.error_type or call.status,
        "http.response.status_code": call.http_status,
        "deployment.environment.name": call.environment,
        "lqo.call_id": str(call.call_id),
        "lqo.status": call.status,
        **_tokens(call),
    }
    return {name: value for name, value in given.items() if value is not None}


def _tokens(call: Call) -> "dict[str, AttributeValue | None]":
    buckets = bucket_usage(call.usage, provider=call.provider, endpoint=call.endpoint)
    if isinstance(buckets, Unbucketed):
        return {}
    return {
        "gen_ai.usage.input_tokens": buckets.input_total,
        "gen_ai.usage.output_tokens": buckets.output_total,
        "gen_ai.usage.cache_read.input_tokens": buckets.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": buckets.cache_write + buckets.cache_write_1h or None,
        "gen_ai.usage.reasoning.output_tokens": buckets.reasoning or None,
    }


def _operation(call: Call) -> str:
    return next((name for mark, name in _OPERATIONS if mark in call.endpoint), "chat")


def _end(call: Call) -> datetime:
    if call.ended_at is not None:
        return call.ended_at
    return call.started_at + timedelta(milliseconds=call.latency_ms or 0.0)


def _derived(call: Call, *, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(call.call_id.bytes, digest_size=size).digest(), "big") or 1


def _hexadecimal(text: str | None, *, digits: int) -> int | None:
    """A W3C id; all zeros and anything else is none."""
    if text is None or len(text) != digits:
        return None
    try:
        return int(text, 16) or None
    except ValueError:
        return None


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
