"""Judgements become rows: with verdicts paid for, the judge's own calls and the money, in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.landing.months import ensure_months
from orchestration.dirty import mark_hours
from orchestration.judging.budget import Purse, record_spend
from orchestration.judging.cache import KeptVerdict, VerdictCache
from orchestration.judging.judges import Judge
from orchestration.judging.landing import Asker, judge_call_id, land_judge_calls
from orchestration.judging.pending import Waiting, stretches
from orchestration.transactions import writing

if TYPE_CHECKING:
    from evaluators.judging.asking import Judgement

RELATION = "evaluation.judgements"
MAX_TRIES: Final = 3
PASSING: Final = frozenset({"error", "parse_error"})
SKIPPED_BUDGET: Final = "skipped_budget"
SKIP_ROWS = 5_000

# A judgement is final unless it may be retried; a second writer of the same call changes nothing.
WRITE: LiteralString = """
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, label, explanation, details, unscored_reason,
    judge_model, inclusion_probability, cost_usd, attempts, content_hash, policy, is_cached, is_retriable
)
values (
    %(started_at)s, %(call_id)s, %(version)s, %(value)s, %(label)s, %(explanation)s, %(details)s,
    %(unscored_reason)s, %(judge_model)s, %(probability)s, %(cost_usd)s, %(attempts)s, %(content_hash)s,
    %(policy)s, %(is_cached)s, %(is_retriable)s
)
on conflict (started_at, call_id, evaluator_version_id) do update
set value = excluded.value,
    label = excluded.label,
    explanation = excluded.explanation,
    details = excluded.details,
    unscored_reason = excluded.unscored_reason,
    judge_model = excluded.judge_model,
    inclusion_probability = excluded.inclusion_probability,
    cost_usd = excluded.cost_usd,
    attempts = excluded.attempts,
    content_hash = excluded.content_hash,
    policy = excluded.policy,
    is_cached = excluded.is_cached,
    is_retriable = excluded.is_retriable,
    scored_at = now()
where judgements.is_retriable
"""

# What was tried before and failed keeps its reason: it says more than that there was no money to try again.
SKIP: LiteralString = """
with skipped as (
    insert into evaluation.judgements (
        started_at, call_id, evaluator_version_id, unscored_reason, judge_model, inclusion_probability,
        attempts, policy, is_retriable
    )
    select
        selections.started_at, selections.call_id, %(version)s, 'skipped_budget', %(model)s,
        selections.probability, 0, selections.policy, true
    from evaluation.judge_selections as selections
    inner join unnest(%(times)s::timestamptz[], %(ids)s::uuid[]) as keys (started_at, call_id)
        using (started_at, call_id)
    where selections.policy = %(policy)s
        and selections.started_at >= %(first)s
        and selections.started_at <= %(last)s
    on conflict (started_at, call_id, evaluator_version_id) do nothing
    returning started_at
)
select date_trunc('hour', started_at, 'UTC'), count(*) from skipped group by 1
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: the judgement, how likely the call was selected, and how often it was tried
    before. `is_known`: the verdict came out of the cache."""

    judgement: "Judgement"
    probability: float
    tries: int = 0
    is_known: bool = False
    cost_usd: Decimal | None = None


@dataclass(slots=True)
class Written:
    """What a run has written: calls by outcome ('scored' or the reason), paid calls and what they cost."""

    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    n_cached: int = 0
    n_paid: int = 0
    n_unpriced: int = 0
    cost_usd: Decimal = Decimal(0)
    hours: set[datetime] = field(default_factory=set[datetime])

    @property
    def n_calls(self) -> int:
        return sum(self.outcomes.values())

    def count(self, outcome: str, n: int = 1) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + n


class Writer:
    """Writes one judge's outcomes; each call of `write` is one transaction."""

    def __init__(self, connection: Connection[TupleRow], judge: Judge, *, cache: VerdictCache) -> None:
        """The judge must have been registered."""
        assert judge.evaluator_version_id is not None
        self.written = Written()
        self._connection = connection
        self._judge = judge
        self._version = judge.evaluator_version_id
        self._asker = Asker(judge.judge, judge.provider, judge.model, judge.service_tier)
        self._cache = cache

    def write(
        self, outcomes: Sequence[Outcome], *, purse: Purse, also: Callable[[], None] = lambda: None
    ) -> None:
        """Commit the outcomes, what they cost, every exchange behind them, and what `also` writes; then tell
        Redis. Raises psycopg.Error with nothing written.
        """
        if not outcomes:
            return
        paid = [each for each in outcomes if each.judgement.attempts]
        ensure_months(self._connection, _months(paid))
        verdicts = [verdict_of(each) for each in paid if is_kept(each.judgement)]
        with writing(self._connection, relation=RELATION):
            land_judge_calls(self._connection, [each.judgement for each in paid], asker=self._asker)
            self._cache.keep(self._connection, verdicts)
            with self._connection.cursor() as cursor:
                cursor.executemany(WRITE, [self._row(each, policy=purse.policy) for each in outcomes])
            record_spend(self._connection, purse, [each.cost_usd for each in paid])
            hours = mark_hours(
                self._connection, [each.judgement.started_at for each in outcomes], stage="scores"
            )
            also()
        self._cache.remember(verdicts)
        self._count(outcomes, hours)

    def skip(self, waiting: Waiting) -> int:
        """Write `skipped_budget` for every call that waits, without reading one; returns their number."""
        n_skipped = 0
        for keys in stretches(self._connection, waiting, limit=SKIP_ROWS):
            given = {
                "version": self._version,
                "model": self._judge.model,
                "policy": waiting.policy,
                "times": [started_at for started_at, _ in keys],
                "ids": [call_id for _, call_id in keys],
                "first": keys[0][0],
                "last": keys[-1][0],
            }
            with writing(self._connection, relation=RELATION):
                hours = self._connection.execute(SKIP, given).fetchall()
                self.written.hours |= {*mark_hours(self._connection, [h for h, _ in hours], stage="scores")}
            n_skipped += sum(n for _, n in hours)
        self.written.count(SKIPPED_BUDGET, n_skipped)
        return n_skipped

    def _row(self, outcome: Outcome, *, policy: str) -> dict[str, object]:
        judgement = outcome.judgement
        attempts = outcome.tries + (1 if judgement.attempts else 0)
        is_passing = judgement.unscored_reason in PASSING and attempts < MAX_TRIES
        return {
            "started_at": judgement.started_at,
            "call_id": UUID(judgement.call_id),
            "version": self._version,
            "value": judgement.value,
            "label": judgement.label,
            "explanation": judgement.explanation,
            "details": Jsonb(dict(judgement.details)),
            "unscored_reason": judgement.unscored_reason,
            "judge_model": judgement.judge_model,
            "probability": outcome.probability,
            "cost_usd": Decimal(0) if not judgement.attempts else outcome.cost_usd,
            "attempts": attempts,
            "content_hash": judgement.content_hash,
            "policy": policy,
            "is_cached": outcome.is_known or judgement.is_reused,
            "is_retriable": is_passing,
        }

    def _count(self, outcomes: Sequence[Outcome], hours: Iterable[datetime]) -> None:
        written = self.written
        written.hours.update(hours)
        for each in outcomes:
            written.count(each.judgement.unscored_reason or "scored")
            written.n_cached += each.is_known or each.judgement.is_reused
            if each.judgement.attempts:
                written.n_paid += 1
                written.n_unpriced += each.cost_usd is None
                written.cost_usd += each.cost_usd or Decimal(0)


def is_kept(judgement: "Judgement") -> bool:
    """Whether another call would say the same: not what may pass, nor what is about the judged model."""
    return judgement.unscored_reason not in {*PASSING, "same_model"}


def verdict_of(outcome: Outcome) -> KeptVerdict:
    """The verdict of a paid judgement, as it is kept for other calls with the same content."""
    judgement = outcome.judgement
    return KeptVerdict(
        content_hash=judgement.content_hash,
        value=judgement.value,
        label=judgement.label,
        explanation=judgement.explanation,
        details=judgement.details,
        unscored_reason=judgement.unscored_reason,
        served_model=judgement.judge_model,
        usage=judgement.usage or None,
        cost_usd=outcome.cost_usd,
        judge_call_id=judge_call_id(judgement),
        judged_at=judgement.asked_at or datetime.now(UTC),
    )


def _months(paid: Sequence[Outcome]) -> list[date]:
    """The months that the judge's own calls need, made before the transaction: attaching one locks."""
    days = {each.judgement.asked_at.date() for each in paid if each.judgement.asked_at}
    return sorted({day.replace(day=1) for day in days})
