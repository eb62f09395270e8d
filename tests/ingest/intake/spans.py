"""Spans for tests, and the calls they become."""

import json
from typing import Any

from ingest.call import Call
from ingest.importers.delivered import Sender, read_delivered
from ingest.intake.otlp.call import line_of_span
from ingest.intake.otlp.document import read_document
from ingest.settings import DEFAULT_START, landing_range
from tests.ingest.intake.sending import export_request
from tests.ingest.landing_calls import NOON

START = int(NOON.timestamp()) * 10**9
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EARLIEST, LATEST = landing_range(DEFAULT_START, now=NOON)
ASKED = '[{"role":"user","parts":[{"type":"text","content":"배송은? 🎈"}]}]'
ANSWERED = '[{"role":"assistant","parts":[{"type":"text","content":"3일"}]}]'
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}


def span(attributes: dict[str, Any], **members: Any) -> dict[str, Any]:
    times = {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 1_500_000_000)}
    return {"traceId": TRACE, "spanId": SPAN, "name": "chat", **times, "attributes": attributes, **members}


def call_of(attributes: dict[str, Any], *, resource: dict[str, Any] | None = None, **members: Any) -> Call:
    line = line_for(attributes, resource=resource, **members)
    assert line is not None
    call = read_delivered(line, sender=Sender("otlp"), earliest=EARLIEST, latest=LATEST)
    assert isinstance(call, Call), call
    return call


def line_for(
    attributes: dict[str, Any], *, resource: dict[str, Any] | None = None, **members: Any
) -> bytes | None:
    request = export_request(span(attributes, **members), resource=resource)
    (found,) = read_document(json.dumps(request, ensure_ascii=False).encode())
    return line_of_span(found, said={})
