"""`POST /v1/traces`: OTLP over HTTP; every span that is a model call becomes a call.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from ingest.importers.delivered import Sender
from ingest.intake.body import unpack
from ingest.intake.breath import BREATH_SECONDS
from ingest.intake.desk import Desk, deliveries, read_post, sender_of
from ingest.intake.judge import Judged, judge
from ingest.intake.otlp.call import line_of_span
from ingest.intake.otlp.document import answer_document, read_document
from ingest.intake.otlp.protobuf import answer_protobuf, answer_status, read_protobuf
from ingest.intake.otlp.spans import Span, UnreadableError
from ingest.landing.result import Problem
from ingest.proxy.http import Headers, Receive, Scope, Send, call_id_header, header, send_bytes
from ingest.proxy.keys import without_key
from ingest.proxy.observer import read_observer
from ingest.proxy.ports import Caller, Refusal
from ingest.uuid7 import uuid7

_JSON, _PROTOBUF = b"application/json", b"application/x-protobuf"
_SAID = ("project", "environment", "user_id", "session_id")
_LONGEST_MESSAGE = 500
_BREATH_SPANS = 20


@dataclass(slots=True)
class _Taken:
    judged: Judged
    n_spans: int


@dataclass(frozen=True, slots=True)
class TracesPage:
    """200 for every request that could be read; spans that cannot be calls are rejected in it, by number.

    What may be tried again is 408, 429 and 503 with Retry-After, as OTLP's exporters expect.
    """

    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> int:
        headers: Headers = scope["headers"]
        is_json = _content_type(headers) == _JSON
        with self.desk.room(headers) as no_room:
            taken = no_room or await self._take(scope, receive, caller=caller)
        if isinstance(taken, Refusal):
            body = _status(taken, is_json=is_json)
            await _answer(send, body, status=taken.status, headers=taken.headers, is_json=is_json)
            return taken.status
        rejected = taken.judged.n_rejected
        make = answer_document if is_json else answer_protobuf
        body = make(rejected=rejected, message=_why(taken.judged) if rejected else "")
        await _answer(send, body, status=200, is_json=is_json)
        return 200

    async def _take(self, scope: Scope, receive: Receive, *, caller: Caller) -> _Taken | Refusal:
        headers: Headers = scope["headers"]
        if _content_type(headers) not in (_JSON, _PROTOBUF):
            return Refusal(415, "unsupported_media_type", "send application/x-protobuf or application/json")
        sent = await read_post(scope, receive)
        if isinstance(sent, Refusal):
            return sent
        sender = sender_of(caller, is_otlp=True)
        taken = await self.desk.work(
            lambda: self._read(sent, headers=headers, sender=sender, secret=caller.secret)
        )
        if isinstance(taken, Refusal):
            return taken
        judged = taken.judged
        if refusal := await self.desk.keep(deliveries(judged.lines, sender=sender)):
            return refusal
        self.desk.count("span", "taken", len(judged.lines))
        self.desk.count("span", "rejected", judged.n_rejected)
        self.desk.count("span", "passed_over", taken.n_spans - len(judged.results))
        return taken

    def _read(
        self, sent: bytes, *, headers: Headers, sender: Sender, secret: bytes | None
    ) -> _Taken | Refusal:
        body = unpack(sent, headers=headers)
        if isinstance(body, Refusal):
            return body
        said = {name: value for name, value in read_observer(headers).items() if name in _SAID}
        read = read_document if _content_type(headers) == _JSON else read_protobuf
        earliest, latest = self.desk.landing_range()
        taken = _Taken(Judged(), 0)
        try:
            taken.judged = judge(
                (without_key(line, secret) for line in _lines(read(body), said=said, taken=taken)),
                sender=sender,
                privacy=self.desk.privacy,
                earliest=earliest,
                latest=latest,
            )
        except UnreadableError as error:
            return Refusal(400, "unreadable", " ".join(str(error).split())[:_LONGEST_MESSAGE])
        except ImportError:
            message = "protobuf needs the extra otlp (llm-quality-observer[otlp]); OTLP in JSON works without"
            return Refusal(415, "unsupported_media_type", message)
        return taken


def _lines(spans: Iterator[Span], *, said: Mapping[str, str], taken: _Taken) -> Iterator[bytes]:
    for span in spans:
        taken.n_spans += 1
        if taken.n_spans % _BREATH_SPANS == 0:
            time.sleep(BREATH_SECONDS)
        if (line := line_of_span(span, said=said)) is not None:
            yield line


def _content_type(headers: Headers) -> bytes:
    return header(headers, b"content-type").partition(b";")[0].strip().lower()


def _why(judged: Judged) -> str:
    """The reasons, each with its number and one example."""
    counts: dict[str, int] = {}
    details: dict[str, str] = {}
    for each in judged.results:
        if isinstance(each, Problem):
            counts[each.reason] = counts.get(each.reason, 0) + 1
            details.setdefault(each.reason, each.detail)
    text = "; ".join(f"{count} {reason} (such as: {details[reason]})" for reason, count in counts.items())
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST_MESSAGE]


def _status(refusal: Refusal, *, is_json: bool) -> bytes:
    """google.rpc.Status, as OTLP wants errors told."""
    if is_json:
        return msgspec.json.encode({"message": refusal.message})
    return answer_status(refusal.message)


async def _answer(send: Send, body: bytes, *, status: int, is_json: bool, headers: Headers = ()) -> None:
    content_type = _JSON if is_json else _PROTOBUF
    mark = call_id_header(uuid7())
    await send_bytes(send, body, status=status, content_type=content_type, headers=(*headers, mark))
