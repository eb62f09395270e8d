"""`POST /v1/feedback`: what end users say of calls, by the id the proxy gave each."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.intake.body import unpack
from ingest.intake.breath import breathing
from ingest.intake.desk import Desk, answer_json, read_post, refuse
from ingest.intake.items import split_items
from ingest.intake.opinions import read_opinion
from ingest.intake.results import encode_results
from ingest.landing.result import Problem
from ingest.proxy.http import Headers, Receive, Scope, Send
from ingest.proxy.keys import without_key
from ingest.proxy.ports import Caller, Refusal
from ingest.spool.records import Feedback, Opinion
from ingest.uuid7 import uuid7

MOST_OPINIONS = 10_000
_A_RECORD = 500


@dataclass(frozen=True, slots=True)
class _Read:
    """What a request said, and the answer to it."""

    opinions: tuple[Opinion, ...]
    n_rejected: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """200 where every opinion was taken, 207 where some were not, 400 where none was.

    The calls need not have landed: an id says when its call started, and that is all that is needed.
    """

    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> int:
        with self.desk.room(scope["headers"]) as no_room:
            read = no_room or await self._take(scope, receive, caller=caller)
        if isinstance(read, Refusal):
            return await refuse(send, read)
        status = 200 if not read.n_rejected else 207 if read.opinions else 400
        return await answer_json(send, read.answer, status=status)

    async def _take(self, scope: Scope, receive: Receive, *, caller: Caller) -> _Read | Refusal:
        sent = await read_post(scope, receive)
        if isinstance(sent, Refusal):
            return sent
        headers: Headers = scope["headers"]
        read = await self.desk.work(lambda: self._read(sent, headers=headers, caller=caller))
        if isinstance(read, Refusal):
            return read
        records = [
            Feedback(call_id=uuid7(), opinions=read.opinions[at : at + _A_RECORD], key_id=caller.key_id)
            for at in range(0, len(read.opinions), _A_RECORD)
        ]
        if refusal := await self.desk.keep(records):
            return refusal
        self.desk.count("opinion", "taken", len(read.opinions))
        self.desk.count("opinion", "rejected", read.n_rejected)
        return read

    def _read(self, sent: bytes, *, headers: Headers, caller: Caller) -> _Read | Refusal:
        body = unpack(sent, headers=headers)
        if isinstance(body, Refusal):
            return body
        items = split_items(without_key(body, caller.secret), name="feedback")
        if isinstance(items, Problem):
            return Refusal(400, items.reason, items.detail)
        if len(items) > MOST_OPINIONS:
            return Refusal(413, "too_many_opinions", f"a request holds at most {MOST_OPINIONS:,} opinions")
        earliest, latest = self.desk.landing_range()
        keeping, now = self.desk.privacy.of(caller.project), datetime.now(UTC)
        read = [
            read_opinion(item, keeping=keeping, now=now, earliest=earliest, latest=latest)
            for item in breathing(items)
        ]
        opinions = tuple(each for each in read if isinstance(each, Opinion))
        results = [each.call_id if isinstance(each, Opinion) else each for each in read]
        return _Read(opinions, len(read) - len(opinions), encode_results(results))
