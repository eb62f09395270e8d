"""`POST /v1/calls`: finished calls, up to 10,000 a request, each with its own result."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ingest.intake.body import unpack
from ingest.intake.desk import Desk, deliveries, read_post, refuse, sender_of
from ingest.intake.items import split_items
from ingest.intake.judge import Judged, judge
from ingest.landing.result import Problem
from ingest.proxy.http import Headers, Receive, Scope, Send, send_json
from ingest.proxy.keys import without_key
from ingest.proxy.ports import Caller, Refusal
from ingest.proxy.relay import call_id_header
from ingest.uuid7 import uuid7

MOST_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class CallsPage:
    """200 where every call was taken, 207 where some were not; taken calls are in the spool by then."""

    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> int:
        with self.desk.room(scope["headers"]) as no_room:
            judged = no_room or await self._take(scope, receive, caller=caller)
        if isinstance(judged, Refusal):
            return await refuse(send, judged)
        status = 207 if judged.n_rejected else 200
        mark = (call_id_header(uuid7()),)
        await send_json(send, _answer(judged), status=status, headers=mark)
        return status

    async def _take(self, scope: Scope, receive: Receive, *, caller: Caller) -> Judged | Refusal:
        sent = await read_post(scope, receive)
        if isinstance(sent, Refusal):
            return sent
        headers: Headers = scope["headers"]
        judged = await self.desk.work(lambda: self._read(sent, headers=headers, caller=caller))
        if isinstance(judged, Refusal):
            return judged
        if refusal := await self.desk.keep(deliveries(judged.lines, sender=sender_of(caller))):
            return refusal
        self.desk.counters.calls_taken += len(judged.lines)
        self.desk.counters.calls_rejected += judged.n_rejected
        return judged

    def _read(self, sent: bytes, *, headers: Headers, caller: Caller) -> Judged | Refusal:
        body = unpack(sent, headers=headers)
        if isinstance(body, Refusal):
            return body
        lines = split_items(without_key(body, caller.secret), name="calls")
        if isinstance(lines, Problem):
            return Refusal(400, lines.reason, lines.detail)
        if len(lines) > MOST_CALLS:
            message = f"{len(lines):,} calls; a request holds at most {MOST_CALLS:,}"
            return Refusal(413, "too_many_calls", message)
        earliest, latest = self.desk.landing_range()
        return judge(
            lines,
            sender=sender_of(caller),
            privacy=self.desk.privacy,
            earliest=earliest,
            latest=latest,
        )


def _answer(judged: Judged) -> dict[str, object]:
    return {
        "accepted": len(judged.lines),
        "rejected": judged.n_rejected,
        "results": _results(judged.results),
    }


def _results(results: Sequence[UUID | Problem]) -> list[dict[str, object]]:
    return [
        {"index": index, "status": "rejected", "code": each.reason, "reason": each.detail}
        if isinstance(each, Problem)
        else {"index": index, "status": "accepted", "call_id": each}
        for index, each in enumerate(results)
    ]
