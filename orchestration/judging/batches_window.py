"""The asking side of batches: what waits of a window becomes requests, cut into batches and sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.judge import JudgeSpec
from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import WantedCall, cut_batches, read_batch, want_verdicts
from orchestration.judging.batches_desk import open_desk
from orchestration.judging.batches_lines import line_of
from orchestration.judging.batches_submit import submit_batch
from orchestration.judging.budget import Purse, follow_spend
from orchestration.judging.cache import VerdictCache
from orchestration.judging.judges import Judge
from orchestration.judging.known import split_page
from orchestration.judging.pending import PAGE_CALLS, Pending, Waiting, key_of, read_page
from orchestration.judging.prices import JudgePrices, input_tokens
from orchestration.judging.writing import RELATION, Writer
from orchestration.transactions import writing
from orchestration.windows import Window


@dataclass(slots=True)
class AskedInBatches:
    """What a run asked for: calls that wait for an answer now, contents asked about anew, batches by what
    became of sending them (`submitted`, `found`, `waits`, `failed`, `busy`)."""

    n_calls: int = 0
    n_requests: int = 0
    batches: list[UUID] = field(default_factory=list[UUID])
    sent: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])
    is_out_of_budget: bool = False


@dataclass(slots=True)
class _Asking:
    connection: Connection[TupleRow]
    judge: Judge
    spec: JudgeSpec
    writer: Writer
    cache: VerdictCache
    purse: Purse
    prices: JudgePrices
    asked: AskedInBatches


def ask_in_batches(
    connection: Connection[TupleRow],
    judge: Judge,
    waiting: Sequence[Waiting],
    *,
    writer: Writer,
    cache: VerdictCache,
    purse: Purse,
    page_calls: int = PAGE_CALLS,
) -> AskedInBatches:
    """Ask about every call that waits, or as many as the budget allows, and send the batches.

    What needs no asking is written at once. A provider that cannot be reached is a problem of the batch,
    which the sensor sends later. Raises RubricError and NoPriceError; what was asked for before waits.
    """
    prices = JudgePrices(connection, judge)
    asked = AskedInBatches()
    asking = _Asking(connection, judge, judge.spec, writer, cache, purse, prices, asked)
    for each in waiting:
        if not asked.is_out_of_budget:
            _ask(asking, each, page_calls=page_calls)
    send_waiting(connection, judge, asked)
    return asked


def send_waiting(connection: Connection[TupleRow], judge: Judge, asked: AskedInBatches) -> None:
    """Cut what waits for the judge into batches, and send these. Raises JudgeError, RubricError, and
    BatchEndpointError without a key: the batches are there then, and are sent later."""
    assert judge.evaluator_version_id is not None
    made = cut_batches(connection, judge=judge)
    asked.batches += made
    if not made:
        return
    with open_desk(connection, judge.evaluator_version_id) as desk:
        for batch_id in made:
            outcome = submit_batch(desk, batch_id)
            asked.sent[outcome] = asked.sent.get(outcome, 0) + 1
            if problem := read_batch(connection, batch_id).problem:
                asked.problems.append(problem)


def ask_again(connection: Connection[TupleRow], judges: Sequence[Judge], window: Window) -> None:
    """Let the judges be asked again about calls of the window whose batch was cancelled."""
    for judge in judges:
        given = {"start": window.start, "end": window.end, "version": judge.evaluator_version_id}
        with writing(connection, relation=RELATION):
            connection.execute(queries.CANCELLED_AGAIN, given)


def _ask(asking: _Asking, waiting: Waiting, *, page_calls: int) -> None:
    after = None
    while page := read_page(asking.connection, waiting, after=after, limit=page_calls):
        free, to_ask = split_page(asking.connection, page, spec=asking.spec, cache=asking.cache)
        asking.writer.write(free, purse=asking.purse)
        _want(asking, to_ask)
        if asking.asked.is_out_of_budget:
            return
        after = key_of(page)


def _want(asking: _Asking, to_ask: Sequence[Pending]) -> None:
    """Let the calls of a page wait, as far as the budget goes; of equal contents one is paid for."""
    purse, asked = asking.purse, asking.asked
    wanted = list[WantedCall]()
    reserved = set[bytes]()
    follow_spend(asking.connection, purse)
    for pending in to_ask:
        call = _wanted(asking, pending)
        if call.content_hash not in reserved:
            if not purse.reserve(call.reserved_usd):
                asked.is_out_of_budget = True
                break
            reserved.add(call.content_hash)
        wanted.append(call)
    if not wanted:
        return
    new = want_verdicts(
        asking.connection, wanted, judge=asking.judge, purse=purse, newer_than=asking.cache.newer_than
    )
    first = {call.content_hash: call for call in reversed(wanted)}
    for content_hash, call in first.items():
        is_new = content_hash in new
        spent, n_calls = (call.reserved_usd, 1) if is_new else (None, 0)
        purse.wrote(usd=spent or Decimal(0), n_calls=n_calls)
        purse.settle(call.reserved_usd, spent=spent, n_calls=n_calls)
    asked.n_calls += len(wanted)
    asked.n_requests += len(new)


def _wanted(asking: _Asking, pending: Pending) -> WantedCall:
    item = pending.item
    return WantedCall(
        call_id=UUID(item.call_id),
        started_at=item.started_at,
        content_hash=item.content_hash,
        n_bytes=len(line_of(asking.spec, item, version=asking.spec.version)),
        probability=pending.probability,
        reserved_usd=asking.prices.estimate(input_tokens(asking.spec, item)),
        tries=pending.tries,
    )
