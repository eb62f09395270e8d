"""What became of requests: verdicts, judgements, judge calls, money and the requests' own state, at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal
from uuid import UUID

from evaluators.judging.asking import Judgement, read_judgement, reused, without_asking
from evaluators.judging.batches import Executed, NotExecuted, as_json
from evaluators.judging.exchanges import Attempt, Exchange
from evaluators.judging.forms import next_step
from evaluators.judging.items import JudgeItem
from evaluators.judging.protocol import ERROR, SAME_MODEL, Unscored
from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import Batch, Request, book
from orchestration.judging.batches_desk import BatchDesk
from orchestration.judging.batches_lines import Key, body_of, form_of, read_items
from orchestration.judging.budget import Purse, record_spend
from orchestration.judging.cache import keep_verdicts
from orchestration.judging.landing import Asker, land_judge_calls
from orchestration.judging.writing import MAX_TRIES, PASSING, RELATION, Outcome, is_kept, verdict_of
from orchestration.transactions import writing

CANCELLED: Final = "cancelled"
FIRST_RETRY: Final = timedelta(minutes=10)
"""After a failure; doubled with each."""

State = Literal["waiting", "answered", "given_up", "cancelled"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one request, and what is to be written for the calls that wait for it.

    `pause` is how long it waits for another batch. `unplaced` is a paid verdict whose calls all say something
    else by now: kept, but nobody's judgement.
    """

    request: Request
    state: State
    n_tries: int = 1
    reason: str | None = None
    detail: str | None = None
    output: str | None = None
    pause: timedelta = timedelta(0)
    outcomes: tuple[Outcome, ...] = ()
    unplaced: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _WaitingCall:
    key: Key
    probability: float


@dataclass(slots=True)
class _Calls:
    """The calls that wait for each content, with what they say now where an answer has to be read."""

    by_content: dict[bytes, list[_WaitingCall]]
    items: dict[Key, JudgeItem] = field(default_factory=dict[Key, JudgeItem])

    def same(self, content_hash: bytes) -> list[tuple[JudgeItem, float]]:
        """Those whose content is still the one that was asked about."""
        found = [(self.items.get(call.key), call.probability) for call in self.by_content[content_hash]]
        return [(item, p) for item, p in found if item is not None and item.content_hash == content_hash]


def settle_executed(desk: BatchDesk, batch: Batch, found: Sequence[tuple[Request, Executed]]) -> None:
    """Read and write what the provider answered to these requests, one transaction a budget."""
    calls = _waiting_calls(desk, [request for request, _ in found], with_items=True)
    _write(desk, batch, [_executed(desk, batch, request, answer, calls) for request, answer in found])


def settle_unexecuted(
    desk: BatchDesk,
    batch: Batch,
    found: Sequence[tuple[Request, NotExecuted]],
    *,
    n_tries: int = 1,
    pause: timedelta | None = None,
) -> None:
    """Let requests that were never executed wait for another batch, or give them up after the last try.

    `n_tries` 0 uses up no try; `pause` None is 10 minutes, doubled with each failure before.
    """
    calls = _waiting_calls(desk, [request for request, _ in found])
    fates = [_unexecuted(desk, request, why, calls, n_tries=n_tries) for request, why in found]
    waits = [replace(f, pause=_pause(f.request) if pause is None else pause) for f in fates]
    _write(desk, batch, waits)


def _executed(desk: BatchDesk, batch: Batch, request: Request, answer: Executed, calls: _Calls) -> Fate:
    form = form_of(desk.spec, request.output)
    if desk.spec.output == "auto" and (weaker := next_step(form, status=answer.status, body=answer.body)):
        return Fate(request, "waiting", n_tries=0, reason="output_refused", output=weaker)
    same = calls.same(request.content_hash)
    item, probability = same[0] if same else (_stub(request.started_at, request.call_id), 1.0)
    judgement = _judgement(desk, batch, request, answer, item=item, is_same=bool(same), form=form)
    paid = Outcome(judgement, probability, request.attempts, cost_usd=desk.prices.of(judgement))
    others = () if judgement.unscored_reason == SAME_MODEL else same[1:]
    outcomes = (
        paid,
        *(Outcome(reused(desk.spec, each, judgement), p, request.attempts + 1) for each, p in others),
    )
    fate = Fate(
        request,
        _state(request, judgement),
        pause=_pause(request),
        reason=judgement.unscored_reason,
        detail=str(judgement.details.get("detail") or "")[:500] or None,
    )
    return replace(fate, outcomes=outcomes) if same else replace(fate, unplaced=paid)


def _state(request: Request, judgement: Judgement) -> State:
    if judgement.unscored_reason not in PASSING:
        return "answered"
    return "waiting" if request.attempts + 1 < MAX_TRIES else "given_up"


def _judgement(
    desk: BatchDesk,
    batch: Batch,
    request: Request,
    answer: Executed,
    *,
    item: JudgeItem,
    is_same: bool,
    form: str,
) -> Judgement:
    """The answer through the direct way's reader.

    The time of asking is ours: the provider's has whole seconds, and another batch may have the same.
    """
    asked_at = batch.submitted_at or batch.prepared_at
    latency_ms = max(0.0, (datetime.now(UTC) - asked_at) / timedelta(milliseconds=1))
    is_as_sent = is_same and desk.is_current
    body = body_of(desk.spec, item, output=request.output) if is_as_sent else None
    exchange = Exchange(
        raw_request=b"" if body is None else as_json(body),
        raw_response=answer.body,
        attempts=(Attempt(asked_at, latency_ms, answer.status),),
        output=form,
    )
    judgement = read_judgement(desk.spec, item, exchange)
    return replace(
        judgement,
        content_hash=request.content_hash,
        evaluator_version=desk.version,
        details={**judgement.details, "batch": batch.provider_batch_id},
    )


def _unexecuted(desk: BatchDesk, request: Request, why: NotExecuted, calls: _Calls, *, n_tries: int) -> Fate:
    waiting = calls.by_content[request.content_hash]
    if why.is_cancelled:
        told = Unscored(CANCELLED, why.detail or "the batch was cancelled")
        outcomes = _without_answer(desk, request, waiting, told, tries=request.attempts)
        return Fate(request, "cancelled", n_tries, why.code, why.detail, outcomes=outcomes)
    if request.attempts + n_tries < MAX_TRIES:
        return Fate(request, "waiting", n_tries, why.code, why.detail)
    told = Unscored(ERROR, ": ".join(part for part in (why.code, why.detail) if part))
    outcomes = _without_answer(desk, request, waiting, told, tries=MAX_TRIES)
    return Fate(request, "given_up", n_tries, why.code, why.detail, outcomes=outcomes)


def _without_answer(
    desk: BatchDesk, request: Request, waiting: Iterable[_WaitingCall], why: Unscored, *, tries: int
) -> tuple[Outcome, ...]:
    """Final: a person, or the last try, has decided."""
    judgements = ((without_asking(desk.spec, _stub(*call.key), why), call.probability) for call in waiting)
    own = {"content_hash": request.content_hash, "evaluator_version": desk.version}
    return tuple(
        Outcome(replace(judgement, **own), probability, tries) for judgement, probability in judgements
    )


def _write(desk: BatchDesk, batch: Batch, fates: Sequence[Fate]) -> None:
    """One transaction a budget: its calls' judgements and the requests behind them change together."""
    by_budget = defaultdict[tuple[object, ...], list[Fate]](list)
    for fate in fates:
        by_budget[fate.request.policy, fate.request.asked_on, fate.request.backfill].append(fate)
    for own in by_budget.values():
        outcomes = [outcome for fate in own for outcome in fate.outcomes]
        change = partial(_change, desk, batch, own)
        if outcomes:
            desk.writer.write(outcomes, purse=_purse(own[0].request), also=change)
        else:
            with writing(desk.connection, relation=RELATION):
                change()


def _change(desk: BatchDesk, batch: Batch, fates: Sequence[Fate]) -> None:
    """Change the requests, in the open transaction."""
    now, version = datetime.now(UTC), batch.evaluator_version_id
    given = {
        "version": version,
        "content_hash": [fate.request.content_hash for fate in fates],
        "state": [fate.state for fate in fates],
        "n_tries": [fate.n_tries for fate in fates],
        "output": [fate.output for fate in fates],
        "reason": [fate.reason for fate in fates],
        "detail": [fate.detail for fate in fates],
        "not_before": [now + fate.pause if fate.state == "waiting" else None for fate in fates],
    }
    done = [fate.request for fate in fates if fate.state != "waiting"]
    desk.connection.execute(queries.SETTLE, given)
    hashes = [request.content_hash for request in done]
    desk.connection.execute(queries.NO_LONGER_WAIT, {"version": version, "hashes": hashes})
    book(desk.connection, done, sign=-1)
    n_answered = sum(fate.state == "answered" for fate in fates)
    counts = {"id": batch.id, "n_answered": n_answered, "n_failed": len(fates) - n_answered}
    desk.connection.execute(queries.COUNTED, counts)
    for fate in fates:
        if fate.unplaced is not None:
            _keep(desk, fate.unplaced, purse=_purse(fate.request))


def _keep(desk: BatchDesk, paid: Outcome, *, purse: Purse) -> None:
    """Keep a paid verdict that is no call's judgement, in the open transaction."""
    judge = desk.judge
    assert judge.evaluator_version_id is not None
    asker = Asker(judge.judge, judge.provider, judge.model, judge.service_tier)
    land_judge_calls(desk.connection, [paid.judgement], asker=asker)
    record_spend(desk.connection, purse, [paid.cost_usd])
    if is_kept(paid.judgement):
        keep_verdicts(
            desk.connection,
            [verdict_of(paid)],
            evaluator_version_id=judge.evaluator_version_id,
            judge_model=judge.model,
        )


def _pause(request: Request) -> timedelta:
    return FIRST_RETRY * 2**request.attempts


def _purse(request: Request) -> Purse:
    is_backfill = request.backfill is not None
    return Purse(
        policy=request.policy,
        scope="backfill" if is_backfill else "day",
        subject=request.backfill or request.asked_on.isoformat(),
        max_usd=None,
        max_calls=None,
        asked_on=request.asked_on,
    )


def _waiting_calls(desk: BatchDesk, requests: Sequence[Request], *, with_items: bool = False) -> _Calls:
    hashes = [request.content_hash for request in requests]
    given = {"version": desk.judge.evaluator_version_id, "hashes": hashes}
    with desk.connection.transaction():
        rows = desk.connection.execute(queries.WAITING_CALLS, given).fetchall()
    calls = _Calls(defaultdict(list))
    for content_hash, started_at, call_id, probability in rows:
        calls.by_content[content_hash].append(_WaitingCall((started_at, call_id), probability))
    if with_items:
        keys = [(started_at, call_id) for _, started_at, call_id, _ in rows]
        calls.items = read_items(desk.connection, keys)
    return calls


def _stub(started_at: datetime, call_id: UUID) -> JudgeItem:
    """A call by its name alone."""
    return JudgeItem(str(call_id), started_at.astimezone(UTC), conversation=(), answer="")
