"""`POST /v1/calls`: finished calls, up to 10,000 a request, each with its own result."""

from dataclasses import dataclass

from ingest.intake.body import unpack
from ingest.intake.desk import Desk, answer_json, deliveries, read_post, refuse, sender_of
from ingest.intake.items import split_items
from ingest.intake.judge import Judged, judge
from ingest.intake.results import encode_results
from ingest.landing.result import Problem
from ingest.proxy.http import Headers, Receive, Scope, Send
from ingest.proxy.keys import without_key
from ingest.proxy.ports import Caller, Refusal

MOST_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class CallsPage:
    """200 where every call was taken, 207 where some were not; taken calls are in the spool by then."""

    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> int:
        with self.desk.room(scope["headers"]) as no_room:
            taken = no_room or await self._take(scope, receive, caller=caller)
        if isinstance(taken, Refusal):
            return await refuse(send, taken)
        judged, answer = taken
        return await answer_json(send, answer, status=207 if judged.n_rejected else 200)

    async def _take(
        self, scope: Scope, receive: Receive, *, caller: Caller
    ) -> tuple[Judged, bytes] | Refusal:
        sent = await read_post(scope, receive)
        if isinstance(sent, Refusal):
            return sent
        headers: Headers = scope["headers"]
        taken = await self.desk.work(lambda: self._read(sent, headers=headers, caller=caller))
        if isinstance(taken, Refusal):
            return taken
        judged = taken[0]
        if refusal := await self.desk.keep(deliveries(judged.lines, sender=sender_of(caller))):
            return refusal
        self.desk.count("call", "taken", len(judged.lines))
        self.desk.count("call", "rejected", judged.n_rejected)
        return taken

    def _read(self, sent: bytes, *, headers: Headers, caller: Caller) -> tuple[Judged, bytes] | Refusal:
        """The calls and the answer, made here so that ten thousand results hold nobody up."""
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
        judged = judge(
            lines,
            sender=sender_of(caller),
            privacy=self.desk.privacy,
            earliest=earliest,
            latest=latest,
        )
        return judged, encode_results(judged.results)
