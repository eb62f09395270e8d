"""Who sends, what may be kept, and what happens without room: asked of the pages themselves."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from evaluators.masking import MaskingError
from ingest.importers.delivered import Sender, read_delivered
from ingest.intake.desk import MOST_HELD
from ingest.intake.pages import intake_pages
from ingest.proxy.metrics import Metrics
from ingest.proxy.ports import Caller, Keep, Keeping, Privacy
from ingest.proxy.surroundings import KeepAll
from ingest.settings import DEFAULT_START
from ingest.spool.records import Delivery, Feedback, Record
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7
from tests.ingest.import_lines import line, lines
from tests.ingest.intake.sending import export_request
from tests.ingest.intake.spans import CHAT, EARLIEST, LATEST, span
from tests.ingest.running_proxy import records_in

NOBODY = Caller()


@dataclass(frozen=True)
class Project(KeepAll):
    """A project that keeps `keep`; masks every name it knows."""

    keep: Keep = "full"
    fails: bool = False

    def of(self, project: str | None) -> Keeping:
        return self if project == "private" else KeepAll()

    def mask(self, text: str) -> str:
        if self.fails:
            raise MaskingError("too slow")
        return text.replace("민지", "[name]")

    def mask_body(self, body: bytes) -> bytes:
        return self.mask(body.decode()).encode()

    def user(self, user_id: str) -> str:
        return f"hmac of {user_id}" if self.keep != "full" else user_id


@dataclass
class Answer:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]


async def ask(
    spool: Any,
    path: str,
    body: bytes,
    *,
    caller: Caller = NOBODY,
    privacy: Privacy | None = None,
    **more: bytes,
) -> Answer:
    headers = [(name.replace("_", "-").encode(), value) for name, value in more.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    count = Metrics().handed_in
    pages = intake_pages(spool, privacy=privacy or KeepAll(), start=DEFAULT_START, count=count)
    answer = Answer()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    assert await pages[path](scope, receive, answer.send, caller) == answer.status
    return answer


def kept(spool: Spool) -> list[Record]:
    spool.close()
    return records_in(spool.directory)


def calls_in(delivery: Record) -> list[Any]:
    assert isinstance(delivery, Delivery)
    sender = Sender(delivery.source, delivery.project, delivery.environment, delivery.key_id)
    return [read_delivered(each, sender=sender, earliest=EARLIEST, latest=LATEST) for each in delivery.lines]


async def test_a_key_of_ours_says_whose_calls_these_are(spool: Spool) -> None:
    ours = Caller(key_id="k-1", project="shop", environment="prod", forwards_key=False)
    theirs = Caller(key_id="hmac", forwards_key=True)
    body = line(1, project="other", key_id="claimed", environment="dev")
    await ask(spool, "/v1/calls", body, caller=ours)
    await ask(spool, "/v1/calls", body, caller=theirs)
    export = json.dumps(export_request(span(CHAT))).encode()
    await ask(
        spool, "/v1/traces", export, caller=ours, content_type=b"application/json", x_lqo_project=b"other"
    )
    calls = [calls_in(record)[0] for record in kept(spool)]
    assert [(call.project, call.environment, call.key_id) for call in calls] == [
        ("shop", "prod", "k-1"),
        ("other", "dev", "claimed"),
        ("shop", "prod", "k-1"),
    ]


async def test_the_callers_key_is_cut_out_of_whatever_is_kept(spool: Spool) -> None:
    key = b"sk-secret-0123456789"
    caller = Caller(secret=key)
    await ask(spool, "/v1/calls", line(1, input_text=f"my key is {key.decode()}"), caller=caller)
    export = json.dumps(export_request(span({**CHAT, "app.key": key.decode()}))).encode()
    await ask(spool, "/v1/traces", export, caller=caller, content_type=b"application/json")
    said = {"call_id": str(uuid7()), "name": "n", "comment": key.decode()}
    await ask(spool, "/v1/feedback", json.dumps(said).encode(), caller=caller)
    records = kept(spool)
    assert len(records) == 3
    assert all(key not in str(record).encode() for record in records)
    assert all("[key]" in str(record) for record in records)


PRIVATE = {
    "project": "private",
    "user_id": "민지",
    "session_id": "민지's",
    "input_text": "I am 민지",
    "output_text": "hello 민지",
    "request": {"messages": [{"role": "user", "content": "I am 민지"}]},
    "tags": {"short": "민지", "long": "x" * 100, "nested": {"a": "민지"}, "n": 3},
}


@pytest.mark.parametrize("keep", ["full", "text", "masked", "none"])
async def test_what_a_project_keeps_is_decided_before_the_spool(spool: Spool, keep: Keep) -> None:
    answer = await ask(spool, "/v1/calls", line(1, **PRIVATE), privacy=Project(keep))
    told = json.loads(answer.body)["results"][0]["call_id"]
    (record,) = kept(spool)
    (call,) = calls_in(record)
    assert str(call.call_id) == told
    assert (call.body_state, call.external_id) == (keep, "call-1")
    texts = (call.input_text, call.output_text)
    if keep == "full":
        assert (texts, call.user_id) == (("I am 민지", "hello 민지"), "민지")
        return
    assert call.user_id == "hmac of 민지"
    assert set(call.tags) == {"short", "n"}
    if keep == "text":
        assert (texts, call.request) == (("I am 민지", "hello 민지"), None)
    else:
        assert "민지" not in str(record.lines[0].decode()).replace("hmac of 민지", "")  # type: ignore[union-attr]
    if keep == "masked":
        assert texts == ("I am [name]", "hello [name]")
        assert json.loads(call.request)["messages"][0]["content"] == "I am [name]"
    if keep == "none":
        assert (texts, call.request, call.response) == ((None, None), None, None)


async def test_what_cannot_be_masked_in_time_is_not_kept(spool: Spool) -> None:
    privacy = Project("masked", fails=True)
    await ask(spool, "/v1/calls", line(1, **PRIVATE), privacy=privacy)
    said = {"call_id": str(uuid7()), "name": "n", "value": 1, "comment": "민지"}
    await ask(
        spool, "/v1/feedback", json.dumps(said).encode(), caller=Caller(project="private"), privacy=privacy
    )
    delivery, feedback = kept(spool)
    (call,) = calls_in(delivery)
    assert (call.body_state, call.input_text, call.tags, call.requested_model) == (
        "none",
        None,
        {},
        "unknown",
    )
    assert isinstance(feedback, Feedback)
    assert (feedback.opinions[0].value, feedback.opinions[0].comment) == ("1", None)


async def test_a_call_masked_twice_is_the_same_call(spool: Spool) -> None:
    for _ in range(2):
        await ask(spool, "/v1/calls", line(1, **PRIVATE), privacy=Project("masked"))
    first, second = kept(spool)
    assert calls_in(first) == calls_in(second)


class Full:
    """A spool whose disk is full, or that takes `takes` records and no more."""

    def __init__(self, *, takes: int | None = None) -> None:
        self.is_accepting = takes is not None
        self._takes = takes or 0

    def append(self, record: Record) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takes -= 1
        if self._takes < 0:
            done.set_exception(SpoolRefusedError("the disk is full"))
        else:
            done.set_result(None)
        return done


@pytest.mark.parametrize("takes", [None, 0, 1])
async def test_what_the_spool_does_not_take_may_come_again(takes: int | None) -> None:
    full = Full(takes=takes)
    bodies = {
        "/v1/calls": (lines(3000), {}),
        "/v1/traces": (
            json.dumps(export_request(*[span({**CHAT, "t": "x" * 900})] * 1000)).encode(),
            {"content_type": b"application/json"},
        ),
    }
    for path, (body, headers) in bodies.items():
        answer = await ask(full, path, body, **headers)
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"2")


async def test_bodies_beyond_what_memory_allows_are_asked_to_come_again(spool: Spool) -> None:
    """Held back while they are read; once they are done there is room again."""
    from ingest.intake.desk import Desk

    desk = Desk(spool, privacy=KeepAll(), start=DEFAULT_START, count=Metrics().handed_in)
    large = [(b"content-length", b"%d" % (32 << 20))]
    with desk.room(large) as a, desk.room(large) as b, desk.room(large) as c, desk.room([]) as d:
        assert (a, b, c, d) == (None, None, None, None)
        with desk.room(large) as refusal:
            assert refusal is not None
            assert (refusal.status, refusal.headers) == (503, ((b"retry-after", b"2"),))
    assert MOST_HELD == 4 * (32 << 20)
    with desk.room(large) as again:
        assert again is None


def test_the_proxy_loads_neither_the_database_nor_protobuf_for_it() -> None:
    import subprocess
    import sys

    heavy = "{'psycopg', 'polars', 'google.protobuf', 'opentelemetry', 'alembic'}"
    code = f"import sys, ingest.intake.pages; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
