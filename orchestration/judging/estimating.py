"""What judging a window would cost, before anything is paid: the selection is made, read and rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.asking import unscorable
from orchestration.judging.budget import open_purse
from orchestration.judging.cache import find_verdicts
from orchestration.judging.days import is_closed
from orchestration.judging.judges import Judge, list_judges
from orchestration.judging.pending import Pending, Waiting, key_of, read_page
from orchestration.judging.policies import Policy, list_policies
from orchestration.judging.prices import JudgePrices, input_tokens
from orchestration.judging.selection import select_calls, top_up
from orchestration.windows import Window, day_window, days_of

# 32 MB of hashes: beyond it equal contents count twice, which overstates what is to be paid.
MOST_CONTENTS = 200_000


@dataclass(slots=True)
class Estimate:
    """What one judge would be asked: `n_selected` calls wait for it, of which `n_unscorable` need no asking
    and `n_cached` have a verdict (or share their content with another). Tokens are estimates; `usd` is None
    where the model has no price, `left_usd` and `left_calls` where no budget binds."""

    judge: str
    model: str
    n_selected: int = 0
    n_unscorable: int = 0
    n_cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal | None = Decimal(0)
    left_usd: Decimal | None = None
    left_calls: int | None = None

    @property
    def n_to_ask(self) -> int:
        return self.n_selected - self.n_unscorable - self.n_cached


def estimate_window(
    connection: Connection[TupleRow],
    window: Window,
    *,
    judges: Sequence[Judge] | None = None,
    is_backfill: bool = True,
) -> list[Estimate]:
    """What each judge (None: the enabled ones) would be asked about the window. Nothing is asked or kept."""
    chosen = list_judges(connection, only_enabled=True) if judges is None else judges
    estimates: list[Estimate] = []
    for judge in chosen:
        with connection.transaction(force_rollback=True):
            estimates.append(_estimate(connection, judge, window, is_backfill=is_backfill))
    return estimates


def lines_of(estimates: Sequence[Estimate]) -> list[str]:
    """The estimates for a person: a line a judge and a total; never an amount where nobody knows one."""
    if not estimates:
        return ["no judge is enabled: nothing would be asked and nothing paid"]
    lines = [_line(each) for each in estimates]
    known = [each.usd for each in estimates if each.usd is not None]
    unknown = len(estimates) - len(known)
    rest = f" and {unknown} judge(s) without a price" if unknown else ""
    n_calls = sum(each.n_to_ask for each in estimates)
    return [
        *lines,
        f"in all: {n_calls:,} calls, about ${sum(known, Decimal(0)):,.4f}{rest}; nothing was paid",
    ]


def _line(each: Estimate) -> str:
    price = "no price (`lqo prices import`)" if each.usd is None else f"about ${each.usd:,.4f}"
    budget = "".join(
        (
            "" if each.left_usd is None else f", budget left ${max(each.left_usd, Decimal(0)):,.4f}",
            "" if each.left_calls is None else f", budget left {max(each.left_calls, 0):,} calls",
        )
    )
    return (
        f"{each.judge} ({each.model}): {each.n_to_ask:,} calls to ask of {each.n_selected:,} that wait"
        f" ({each.n_cached:,} cached, {each.n_unscorable:,} not to be judged),"
        f" about {each.input_tokens:,} tokens in and {each.output_tokens:,} out, {price}{budget}"
    )


def _estimate(
    connection: Connection[TupleRow], judge: Judge, window: Window, *, is_backfill: bool
) -> Estimate:
    (policy,) = list_policies(connection, judge.policy)
    prices = JudgePrices(connection, judge)
    purse = open_purse(connection, policy, backfill_id="dry run" if is_backfill else None)
    estimate = Estimate(
        judge.judge,
        judge.model,
        left_usd=None if purse.max_usd is None else purse.max_usd - purse.spent_usd,
        left_calls=None if purse.max_calls is None else purse.max_calls - purse.spent_calls,
    )
    version, seen = _version(connection, judge), set[bytes]()
    for day in days_of([window]):
        waiting = _waiting(connection, policy, day_window(day), window, version=version)
        after = None
        while page := read_page(connection, waiting, after=after):
            _add(connection, estimate, page, judge=judge, version=version, seen=seen)
            after = key_of(page)
    estimate.output_tokens = estimate.n_to_ask * prices.output_tokens
    # By the mean call: the price of all tokens in one request may be that of a higher tier.
    mean = prices.estimate(estimate.input_tokens // max(1, estimate.n_to_ask))
    estimate.usd = None if mean is None else mean * estimate.n_to_ask
    return estimate


def _waiting(
    connection: Connection[TupleRow], policy: Policy, day: Window, window: Window, *, version: int
) -> Waiting:
    part = Window(max(day.start, window.start), min(day.end, window.end))
    closed = is_closed(connection, day.start.date())
    select_calls(connection, policy, part)
    if closed and part == day:
        top_up(connection, policy, part)
    return Waiting(policy.policy, version, part, is_closed=closed)


def _add(
    connection: Connection[TupleRow],
    estimate: Estimate,
    page: Sequence[Pending],
    *,
    judge: Judge,
    version: int,
    seen: set[bytes],
) -> None:
    spec = judge.spec
    items = [pending.item for pending in page if unscorable(spec, pending.item) is None]
    estimate.n_selected += len(page)
    estimate.n_unscorable += len(page) - len(items)
    known = find_verdicts(
        connection,
        [item.content_hash for item in items],
        evaluator_version_id=version,
        judge_model=judge.model,
    )
    for item in items:
        content = item.content_hash
        if content in known or content in seen:
            estimate.n_cached += 1
            continue
        if len(seen) < MOST_CONTENTS:
            seen.add(content)
        estimate.input_tokens += input_tokens(spec, item)


def _version(connection: Connection[TupleRow], judge: Judge) -> int:
    """The id of the version that the judge is now; -1 where the first run would register a new one."""
    row = connection.execute(
        "select id from evaluation.evaluator_versions where evaluator = %s and version = %s",
        (judge.evaluator, judge.spec.version),
    ).fetchone()
    return row[0] if row else -1
